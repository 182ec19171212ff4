"""What an attempt makes of each fault of a provider, over real TCP and TLS, for every API that is spoken."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import traceback
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from amas_ai_router.adapters.key_files import KeyFiles
from amas_ai_router.adapters.providers.by_api import ProvidersByApi
from amas_ai_router.domain.errors import AttemptError, FailureReason
from amas_ai_router.domain.model import Operation, Target

from tests.fault_server import (
    PIECE,
    Connection,
    Request,
    Script,
    begun_event,
    chunked,
    fault_server,
    one_event,
    says,
    stream_head,
    whole,
)
from tests.fault_server import head as response_head

from .fakes import MESSAGES
from .provider_calls import BOUND, PATIENCE, answer_of, make_target

R = FailureReason
KEY = "sk-secret-key"
# What is waited for in vain, in seconds.
SHORT = 0.3
ERROR = b'{"type": "error", "error": {"type": "overloaded_error", "message": "overloaded sk-secret-key"}}'
APIS = ("openai", "azureOpenai", "anthropic", "bedrock")


async def reset_after_request(connection: Connection, request: Request) -> None:
    """The request came, and then the connection was reset."""
    connection.reset()


async def hang_up(connection: Connection, request: Request) -> None:
    """The request came, and then the connection was closed without a word."""
    connection.writer.close()


def stream_type(request: Request) -> str:
    return "application/vnd.amazon.eventstream" if request.framed else "text/event-stream"


async def silent(connection: Connection, request: Request) -> None:
    """No answer ever."""
    await connection.until_gone()


def then(response: bytes, ending: Callable[[Connection], Any]) -> Script:
    """The beginning of a response, and what follows it; a stream where one was asked for."""

    async def script(connection: Connection, request: Request) -> None:
        await connection.send(stream_head(request) if request.stream else response)
        ended = ending(connection)
        if ended is not None:
            await ended

    return script


def either(body: bytes, data: bytes) -> Script:
    """One body whole, or one event in a stream."""

    async def script(connection: Connection, request: Request) -> None:
        error = data is ERROR
        await connection.send(one_event(request, data, error=error) if request.stream else whole(body))

    return script


async def endless_body(connection: Connection, request: Request) -> None:
    """A body, or an event, that never ends."""
    await connection.send(stream_head(request) if request.stream else response_head("application/json", CHUNKED))
    await connection.send(chunked(begun_event(request), end=False))
    while True:
        await connection.send(chunked(PIECE, end=False))


async def endless_header(connection: Connection, request: Request) -> None:
    """A header that never ends."""
    await connection.send(b"HTTP/1.1 200 OK\r\nX-Endless: ")
    while True:
        await connection.send(PIECE)


async def endless_headers(connection: Connection, request: Request) -> None:
    """Headers that never end."""
    await connection.send(b"HTTP/1.1 200 OK\r\n")
    for number in range(10**9):
        await connection.send(b"X-Header-%d: %b\r\n" % (number, b"x" * 1000))


async def compressed(connection: Connection, request: Request) -> None:
    """A compressed answer that nobody asked for."""
    kind = stream_type(request) if request.stream else "application/json"
    await connection.send(whole(gzip.compress(b'data: {"choices": []}\n\n'), kind, "Content-Encoding: gzip"))


async def empty(connection: Connection, request: Request) -> None:
    """A good head without a body."""
    await connection.send(whole(b"", stream_type(request) if request.stream else "application/json"))


async def slow_error(connection: Connection, request: Request) -> None:
    """An error whose body never comes."""
    await connection.send(response_head("application/json", "Content-Length: 100", status="500 No"))
    await connection.until_gone()


CHUNKED = "Transfer-Encoding: chunked"
LONG = response_head("application/json", "Content-Length: 1000") + b'{"choices": '


def status(line: str, *headers: str) -> Script:
    return says(whole(ERROR, "application/json", *headers, status=line))


# Script, reason, whether the provider may have worked on it, and the seconds it asks to wait.
FAULTS: dict[str, tuple[Script, FailureReason, bool, float | None]] = {
    "reset after the request": (reset_after_request, R.CONNECTION_LOST, True, None),
    "closed after the request": (hang_up, R.CONNECTION_LOST, True, None),
    "reset after headers": (then(LONG, Connection.reset), R.CONNECTION_LOST, True, None),
    "cut body": (then(LONG, lambda connection: connection.writer.close()), R.CONNECTION_LOST, True, None),
    "429": (status("429 Slow"), R.RATE_LIMITED, False, 30.0),
    "429 with Retry-After": (status("429 Slow", "Retry-After: 7"), R.RATE_LIMITED, False, 7.0),
    "429 with milliseconds": (status("429 Slow", "retry-after-ms: 2500"), R.RATE_LIMITED, False, 2.5),
    "401": (status("401 No"), R.KEY_REFUSED, False, None),
    "402": (status("402 Pay"), R.KEY_REFUSED, False, None),
    "403": (status("403 No"), R.KEY_REFUSED, False, None),
    "408": (status("408 Slow"), R.TIMEOUT, True, None),
    "500": (status("500 No"), R.SERVER_ERROR, True, None),
    "503 with Retry-After": (status("503 Full", "Retry-After: 3"), R.SERVER_ERROR, False, 3.0),
    "529": (status("529 Full"), R.SERVER_ERROR, False, None),
    "redirect": (status("307 There", "Location: http://127.0.0.1:1/"), R.RESPONSE_INVALID, True, None),
    "slow headers": (silent, R.TIMEOUT, True, None),
    "slow body": (then(LONG, Connection.until_gone), R.TIMEOUT, True, None),
    "no HTTP": (says(b"\x16\x03\x01 what?\r\n\r\n"), R.RESPONSE_INVALID, True, None),
    "endless header": (endless_header, R.RESPONSE_INVALID, True, None),
    "endless headers": (endless_headers, R.RESPONSE_INVALID, True, None),
    "endless body": (endless_body, R.RESPONSE_TOO_LARGE, True, None),
    "invalid JSON": (either(b'{"choices": [', b'{"choices": ['), R.RESPONSE_INVALID, True, None),
    "invalid UTF-8": (either(b'{"a": "\xff"}', b'{"a": "\xff"}'), R.RESPONSE_INVALID, True, None),
    "error inside 200": (either(ERROR, ERROR), R.SERVER_ERROR, True, None),
    "wrong content type": (says(whole(b"<html></html>", "text/html")), R.RESPONSE_INVALID, True, None),
    "compressed": (compressed, R.RESPONSE_INVALID, True, None),
}
# Its HTTP library does not tell an answer that is none from a connection that ended.
UNTOLD = {"no HTTP", "endless header", "endless headers"}


@pytest_asyncio.fixture
async def providers(tmp_path: Path) -> AsyncIterator[ProvidersByApi]:
    """All providers, with one key."""
    async for made in _providers(tmp_path, PATIENCE):
        yield made


@pytest_asyncio.fixture
async def hurried(tmp_path: Path) -> AsyncIterator[ProvidersByApi]:
    """The same, without patience for what does not become a connection."""
    async for made in _providers(tmp_path, 1.0):
        yield made


async def _providers(folder: Path, connect_timeout: float) -> AsyncIterator[ProvidersByApi]:
    (folder / "key").write_text(KEY)
    made = ProvidersByApi(KeyFiles(folder), max_response_bytes=BOUND, connect_timeout=connect_timeout)
    yield made
    await made.close()


@dataclass(frozen=True, slots=True)
class Way:
    """How a provider is asked."""

    api: str
    stream: bool


WAYS = [
    pytest.param(Way(api, stream), id=f"{api}-{'stream' if stream else 'whole'}") for api in APIS for stream in (0, 1)
]


async def attempt(providers: ProvidersByApi, target: Target, *, stream: bool) -> AttemptError:
    """The failure of an attempt."""
    with pytest.raises((AttemptError, TimeoutError)) as caught:
        await answer_of(providers, target, stream=stream)
    if isinstance(caught.value, AttemptError):
        return caught.value
    return AttemptError(R.TIMEOUT, "the use case's own")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("way", WAYS)
async def test_each_fault_is_a_typed_failure_and_lets_go(providers: ProvidersByApi, way: Way, fault: str) -> None:
    """Reason, doubt and patience are right, no text holds a key or a body, and the provider is not held any more."""
    script, reason, processed, wait = FAULTS[fault]
    if way.api == "anthropic" and fault in UNTOLD:
        reason = R.CONNECTION_LOST
    if way == Way("bedrock", stream=False) and fault == "error inside 200":
        # It has no such errors: what is no answer is no answer.
        reason = R.RESPONSE_INVALID
    async with asyncio.timeout(PATIENCE), fault_server(script) as server:
        limits = {"total": SHORT, "first_token": SHORT} if fault.startswith("slow") else {}
        error = await attempt(providers, make_target(way.api, server.url, **limits), stream=way.stream)
        assert (error.reason, error.processed) == (reason, processed)
        assert error.retry_after == (None if wait is None else pytest.approx(wait, abs=1.0))
        shown = "".join(traceback.format_exception(error)) + repr(error.__cause__)
        assert KEY not in shown
        assert "overloaded" not in shown
        await server.idle()


@pytest.mark.parametrize("way", WAYS)
async def test_what_never_became_a_connection_was_not_processed(
    hurried: ProvidersByApi, way: Way, tls_server: ssl.SSLContext
) -> None:
    """Refusal, a name without an address, a certificate of nobody, a server without TLS: asking elsewhere is safe."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}"
    async with asyncio.timeout(PATIENCE), fault_server(silent, tls_server) as secret, fault_server(silent) as plain:
        urls = (dead, "http://no-such-host.invalid", secret.url, plain.url.replace("http:", "https:"))
        for url in urls:
            error = await attempt(hurried, make_target(way.api, url), stream=way.stream)
            assert (url, error.reason, error.processed) == (url, R.CONNECT_FAILED, False)
    assert secret.requests == plain.requests == []


@pytest.mark.parametrize("way", WAYS)
async def test_a_connection_reset_before_it_was_read(providers: ProvidersByApi, way: Way) -> None:
    """Nobody can tell what became of the request."""
    async with asyncio.timeout(PATIENCE), fault_server(silent) as server:
        server.on_connect = Connection.reset
        error = await attempt(providers, make_target(way.api, server.url), stream=way.stream)
        assert (error.reason, error.processed) == (R.CONNECTION_LOST, True)


@pytest.mark.parametrize("api", ["openai", "azureOpenai"])
async def test_an_error_without_its_body_is_what_its_status_says(providers: ProvidersByApi, api: str) -> None:
    """The status is known: nobody waits for the words long."""
    async with asyncio.timeout(PATIENCE), fault_server(slow_error) as server:
        error = await attempt(providers, make_target(api, server.url), stream=False)
        assert error.reason is R.SERVER_ERROR
        await server.idle()


@pytest.mark.parametrize("way", WAYS)
async def test_an_empty_answer_is_none(providers: ProvidersByApi, way: Way) -> None:
    """200 and nothing: a stream that ends before it began was lost."""
    async with asyncio.timeout(PATIENCE), fault_server(empty) as server:
        error = await attempt(providers, make_target(way.api, server.url), stream=way.stream)
        assert error.reason is (R.CONNECTION_LOST if way.stream else R.RESPONSE_INVALID)


@pytest.mark.parametrize("way", WAYS)
async def test_a_caller_that_goes_away_ends_the_call(providers: ProvidersByApi, way: Way) -> None:
    """The provider sees the connection end, so that it stops working."""
    reached = asyncio.Event()

    async def reach(connection: Connection, request: Request) -> None:
        reached.set()
        await connection.until_gone()

    async with asyncio.timeout(PATIENCE), fault_server(reach) as server:
        target = make_target(way.api, server.url)
        fields = {"model": "route", "messages": MESSAGES}
        asked = providers.open_stream(target, fields) if way.stream else providers.ask(target, Operation.CHAT, fields)
        call = asyncio.ensure_future(asked)
        await reached.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await server.idle()


@pytest.fixture
def tls_server(certificates: Any) -> ssl.SSLContext:
    """TLS with a certificate that no public authority knows."""
    files = certificates.files("ai-router")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert, files.key)
    return context


async def test_the_providers_name_for_a_failed_request_is_kept(providers: ProvidersByApi) -> None:
    """Its support asks for it."""
    async with asyncio.timeout(PATIENCE), fault_server(status("500 No", "X-Request-Id: req_1")) as server:
        error = await attempt(providers, make_target("openai", server.url), stream=False)
    assert "req_1" in str(error)
