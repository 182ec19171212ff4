"""What a provider does under each fault of the page; the name of the model that is asked for says which."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import orjson

from tests.fault_server import EVENTS_HEAD, PIECE, Connection, Request, Script, chunked, events, head, whole

ERROR = b'{"error": {"message": "overloaded", "type": "server_error"}}'
TEXT = "hello"
HALF = "hel"
# Tokens that a good answer reports.
INPUT, OUTPUT = 10, 5
USAGE = {"prompt_tokens": INPUT, "completion_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT}
JSON = "application/json"


def chunk(text: str | None, finish: str | None = None) -> bytes:
    """One chunk of a stream; the first says only who speaks."""
    delta = {"role": "assistant"} if text is None else {"content": text}
    return orjson.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


ANSWER = orjson.dumps(
    {
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": TEXT}}],
        "usage": USAGE,
    }
)
REST = (chunk(TEXT[len(HALF) :]), chunk("", "stop"), orjson.dumps({"choices": [], "usage": USAGE}), b"[DONE]")
# A stream up to its first token, and one that has not come to it.
BEGUN = events(chunk(None), chunk(HALF), end=False)
NOT_BEGUN = events(chunk(None), end=False)


def more(*data: bytes, end: bool = True) -> bytes:
    """Further events of a stream that has begun."""
    return chunked(*(b"data: " + one + b"\n\n" for one in data), end=end)


async def good(connection: Connection, request: Request) -> None:
    """Answers."""
    await connection.send(BEGUN + more(*REST) if request.stream else whole(ANSWER))


class Gate:
    """A provider that waits for the test: it says by `reached` that it was asked, and answers when `opened`."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def before(self, connection: Connection, request: Request) -> None:
        """Waits before it says anything."""
        self.reached.set()
        await self._wait(connection)
        await good(connection, request)

    async def within(self, connection: Connection, request: Request) -> None:
        """Waits after the first token of a stream."""
        if not request.stream:
            await self.before(connection, request)
            return
        await connection.send(BEGUN)
        self.reached.set()
        await self._wait(connection)
        await connection.send(more(*REST))

    async def _wait(self, connection: Connection) -> None:
        opened = asyncio.ensure_future(self.opened.wait())
        gone = asyncio.ensure_future(connection.until_gone())
        await asyncio.wait((opened, gone), return_when=asyncio.FIRST_COMPLETED)
        opened.cancel()
        gone.cancel()
        await asyncio.gather(opened, gone, return_exceptions=True)
        if not self.opened.is_set():
            raise ConnectionResetError("the router is gone")


def _either(answer: bytes, stream: bytes | None = None, then: Callable[[Connection], object] | None = None) -> Script:
    """Says one thing, and then ends the connection, waits until it is ended, or leaves it as it is."""

    async def script(connection: Connection, request: Request) -> None:
        await connection.send(answer if stream is None or not request.stream else stream)
        ending = None if then is None else then(connection)
        if asyncio.iscoroutine(ending):
            await ending

    return script


def _close(connection: Connection) -> None:
    connection.writer.close()


def _status(line: str, *headers: str) -> Script:
    return _either(whole(ERROR, JSON, *headers, status=line))


def _endless(stream_head: bytes) -> Script:
    async def script(connection: Connection, request: Request) -> None:
        await connection.send(stream_head + chunked(b"data: ", end=False) if request.stream else head(JSON))
        while True:
            await connection.send(chunked(PIECE, end=False) if request.stream else PIECE)

    return script


_CUT = head(JSON, "Content-Length: 100000") + ANSWER[:20]
_BAD_JSON, _BAD_UTF8 = b'{"choices": [', b'{"choices": ["\xff\xfe"]}'

# By the name of the fault in the page. Those of the connection alone (refused, TLS, DNS) need no script.
SCRIPTS: dict[str, Script] = {
    "reset": _either(b"", then=Connection.reset),
    "429 with Retry-After": _status("429 Too Many Requests", "Retry-After: 3"),
    "429 without Retry-After": _status("429 Too Many Requests"),
    "500": _status("500 Internal Server Error"),
    "503": _status("503 Service Unavailable"),
    "slow headers": _either(b"", then=Connection.until_gone),
    "slow body": _either(_CUT, NOT_BEGUN, then=Connection.until_gone),
    "cut body": _either(_CUT, NOT_BEGUN, then=_close),
    "invalid JSON": _either(whole(_BAD_JSON), events(_BAD_JSON)),
    "invalid UTF-8": _either(whole(_BAD_UTF8), events(_BAD_UTF8)),
    "endless body": _endless(EVENTS_HEAD),
    "wrong content type": _either(whole(b"<html></html>", "text/html")),
    "error inside a 200": _either(whole(ERROR), events(ERROR)),
    "cut after the first token": _either(b"", BEGUN, then=_close),
    "reset after the first token": _either(b"", BEGUN, then=Connection.reset),
    "silent after the first token": _either(b"", BEGUN, then=Connection.until_gone),
    "invalid JSON after the first token": _either(b"", BEGUN + more(_BAD_JSON)),
    "invalid UTF-8 after the first token": _either(b"", BEGUN + more(_BAD_UTF8)),
    "endless after the first token": _endless(BEGUN),
    "error after the first token": _either(b"", BEGUN + more(ERROR)),
}
