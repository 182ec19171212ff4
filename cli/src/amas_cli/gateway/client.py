"""HTTP to the gateway: JSON in and out, errors as CliError. Knows no path: those are in `api.py`."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import aiohttp

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode

from .problems import problem_error
from .sse import EventParser, ServerEvent

REQUEST_TIMEOUT_S = 60.0
CONNECT_TIMEOUT_S = 5.0
SILENCE_TIMEOUT_S = 60.0
"""On a stream; the gateway sends a comment more often than this."""
MAX_ERROR_BYTES = 64 * 1024
LINE_LIMIT_BYTES = 8 * 1024 * 1024
WHOLE_ANSWER = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S)
STREAM = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=SILENCE_TIMEOUT_S)
Query = Mapping[str, str] | Sequence[tuple[str, str]]
"""Names and values; a name may stand in a sequence more than once."""


class StreamCutError(Exception):
    """A stream ended before it was complete; asking again with the last id goes on where it ended."""


class HttpClient:
    """One session with one server. `token` is asked before each request, so that it may be renewed meanwhile."""

    def __init__(self, server: str, token: Callable[[], Awaitable[str]]) -> None:
        self._server = server.rstrip("/")
        self._token = token
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(read_bufsize=LINE_LIMIT_BYTES, trust_env=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The JSON of a successful answer; raises CliError for any other."""
        async with self._answer(method, path, body=body, query=query, headers=headers) as answer:
            content = await answer.read()
        try:
            return json.loads(content) if content else {}
        except ValueError as error:
            raise CliError(
                f"{self._server} answered something else than JSON.", next_step="check `--server`"
            ) from error

    async def lines(self, path: str, query: Query) -> AsyncGenerator[bytes, None]:
        """The lines of a successful answer as they come; raises StreamCutError when the connection breaks."""
        async with self._answer("GET", path, query=query, patience=STREAM) as answer:
            try:
                async for line in answer.content:
                    yield line
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise StreamCutError from error

    async def download(self, path: str) -> AsyncIterator[bytes]:
        """The body of a successful answer, piece by piece. An answer that is cut raises CliError."""
        async with self._answer("GET", path, patience=STREAM) as answer:
            async for piece in answer.content.iter_any():
                yield piece

    async def events(self, path: str, last_id: str) -> AsyncGenerator[ServerEvent, None]:
        """Server-sent events after `last_id`; raises StreamCutError when the connection breaks."""
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}
        parser = EventParser()
        async with self._answer("GET", path, headers=headers, patience=STREAM) as answer:
            try:
                async for raw in answer.content:
                    event = parser.line(raw.decode(errors="replace").rstrip("\r\n"))
                    if event is not None:
                        yield event
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise StreamCutError from error

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        patience: aiohttp.ClientTimeout = WHOLE_ANSWER,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A successful answer, its body unread; whatever else happens becomes a CliError."""
        assert self._session is not None, "used outside `async with`"  # noqa: S101
        authorization = {"Authorization": f"Bearer {await self._token()}"}
        try:
            async with self._session.request(
                method,
                self._server + path,
                json=body,
                params=query,
                headers={**authorization, **(headers or {})},
                allow_redirects=False,
                timeout=patience,
            ) as answer:
                if answer.status >= 300:
                    content = await _at_most(answer.content, MAX_ERROR_BYTES)
                    raise problem_error(answer.status, content, answer.headers)
                yield answer
        except TimeoutError as error:
            raise self._unavailable("did not answer in time") from error
        except aiohttp.InvalidURL as error:
            raise CliError(f"{self._server!r} is not a URL.", exit_code=ExitCode.USAGE) from error
        except (aiohttp.ClientConnectionError, OSError) as error:
            raise self._unavailable("cannot be reached") from error
        except aiohttp.ClientError as error:
            raise self._unavailable("broke off its answer") from error

    def _unavailable(self, what: str) -> CliError:
        return CliError(
            f"{self._server} {what}.",
            next_step="look at `amas status`, start the platform with `amas up`, or name another with --server",
            exit_code=ExitCode.UNAVAILABLE,
        )


async def _at_most(body: aiohttp.StreamReader, limit: int) -> bytes:
    """The body, or its first `limit` bytes; one `read` answers with what has come so far."""
    came = bytearray()
    while len(came) < limit and (part := await body.read(limit - len(came))):
        came += part
    return bytes(came)
