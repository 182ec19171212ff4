"""MCP over Streamable HTTP with a bound on every answer.

The SDK bounds one server-sent event but not a plain JSON answer, hence the transport here. It must never use a proxy
from the environment; where requests may go is egress_guard's to say.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.message import SessionMessage

from amas_policy_sidecar.domain.errors import ToolFailed

from .egress_guard import PinnedTransport
from .mcp_stdio import MAX_MESSAGE

Streams = tuple[ReadStream[SessionMessage | Exception], WriteStream[SessionMessage]]

# Seconds to connect and to send.
CONNECT_TIMEOUT = 5.0


@asynccontextmanager
async def http_streams(
    url: httpx2.URL,
    addresses: Sequence[str],
    headers: Callable[[], Mapping[str, str]],
    *,
    on_refused: Callable[[ToolFailed], None],
    ca_file: Path | None,
    read_timeout: float,
) -> AsyncIterator[Streams]:
    """A session's streams to the server at `url`, by way of `addresses`.

    `headers` is asked at each request and answers its credentials; `on_refused` hears of redirects that were not
    followed; `ca_file` replaces the machine's authorities; `read_timeout` (seconds) bounds a silence within an answer.
    """
    timeout = httpx2.Timeout(CONNECT_TIMEOUT, read=read_timeout)
    verify = ssl.create_default_context(cafile=ca_file) if url.scheme == "https" else True
    inner = httpx2.AsyncHTTPTransport(verify=verify, trust_env=False)
    transport = BoundedTransport(PinnedTransport(inner, url, addresses, on_refused), headers)
    async with (
        httpx2.AsyncClient(timeout=timeout, transport=transport, trust_env=False) as client,
        streamable_http_client(str(url), http_client=client, max_sse_event_size=MAX_MESSAGE) as streams,
    ):
        yield streams


class BoundedTransport(httpx2.AsyncBaseTransport):
    """Puts the credentials of now on each request; cuts an answer that is no event stream at MAX_MESSAGE bytes."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, headers: Callable[[], Mapping[str, str]]) -> None:
        self._inner = inner
        self._headers = headers

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Hand the request on and bound what comes back."""
        try:
            request.headers.update(self._headers())
        except ToolFailed as failure:
            raise httpx2.ConnectError("a credential cannot be read") from failure
        response = await self._inner.handle_async_request(request)
        if response.headers.get("content-type", "").lower().startswith("text/event-stream"):
            return response
        assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101 - async transports give this
        response.stream = _BoundedStream(response.stream)
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._inner:
            size += len(chunk)
            if size > MAX_MESSAGE:
                raise httpx2.ReadError(f"the answer is larger than {MAX_MESSAGE} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
