"""HTTP to the gateway: JSON in and out, errors as CliError. Knows no path: those are in `api.py`."""

import json
from collections.abc import AsyncIterator, Mapping
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


class StreamCutError(Exception):
    """A stream ended before it was complete; asking again with the last id goes on where it ended."""


class HttpClient:
    """One session with one server and one token."""

    def __init__(self, server: str, token: str) -> None:
        self._server = server.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(headers=self._headers, read_bufsize=LINE_LIMIT_BYTES, trust_env=True)
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
        query: Mapping[str, str] | None = None,
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

    async def download(self, path: str) -> AsyncIterator[bytes]:
        """The body of a successful answer, piece by piece. An answer that is cut raises CliError."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=SILENCE_TIMEOUT_S)
        async with self._answer("GET", path, timeout=timeout) as answer:
            async for piece in answer.content.iter_any():
                yield piece

    async def events(self, path: str, last_id: str) -> AsyncIterator[ServerEvent]:
        """Server-sent events after `last_id`; raises StreamCutError when the connection breaks."""
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=SILENCE_TIMEOUT_S)
        parser = EventParser()
        async with self._answer("GET", path, headers=headers, timeout=timeout) as answer:
            try:
                async for raw in answer.content:
                    event = parser.line(raw.decode(errors="replace").rstrip("\r\n"))
                    if event is not None:
                        yield event
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise StreamCutError from error

    def _answer(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: aiohttp.ClientTimeout | None = None,
    ) -> "_Answer":
        assert self._session is not None, "used outside `async with`"  # noqa: S101
        request = self._session.request(
            method,
            self._server + path,
            json=body,
            params=query,
            headers=headers,
            allow_redirects=False,
            timeout=timeout or aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S),
        )
        return _Answer(request, self._server)


class _Answer:
    """Context of one answer: opens it, or raises what a user understands."""

    def __init__(self, request: Any, server: str) -> None:
        self._request = request
        self._server = server

    async def __aenter__(self) -> aiohttp.ClientResponse:
        try:
            answer: aiohttp.ClientResponse = await self._request.__aenter__()
        except (TimeoutError, aiohttp.ClientConnectionError, OSError) as error:
            raise self._unreachable(error) from error
        except (aiohttp.InvalidURL, ValueError) as error:
            raise CliError(f"{self._server!r} is not a URL.", exit_code=ExitCode.USAGE) from error
        if answer.status >= 300:
            try:
                content = await answer.content.read(MAX_ERROR_BYTES)
            except (aiohttp.ClientError, TimeoutError):
                content = b""
            await self._request.__aexit__(None, None, None)
            raise problem_error(answer.status, content, answer.headers)
        return answer

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._request.__aexit__(kind, error, trace)
        if isinstance(error, aiohttp.ClientError | TimeoutError):
            raise self._unreachable(error) from error

    def _unreachable(self, error: BaseException) -> CliError:
        timed_out = isinstance(error, TimeoutError)
        return CliError(
            f"{self._server} did not answer in time." if timed_out else f"{self._server} cannot be reached.",
            next_step="look at `amas status`, start the platform with `amas up`, or name another with --server",
            exit_code=ExitCode.UNAVAILABLE,
        )
