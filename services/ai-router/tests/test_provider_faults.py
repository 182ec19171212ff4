"""Every fault of a provider, made by a real HTTP server that misbehaves; what the caller sees and what is recorded."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from amas_ai_router.adapters.key_files import KeyFiles
from amas_ai_router.adapters.providers.by_api import ProvidersByApi
from amas_ai_router.domain.errors import ModelCallError
from amas_ai_router.domain.records import LOST, MODEL_CALLED, MODEL_REFUSED, OK

from .fakes import ListSink, Router, answer, chunk, make_bundle
from .faulty_servers import (
    FOREVER,
    SEEN,
    Handler,
    Server,
    cut_body,
    endless,
    events,
    raw,
    reset,
    slow_body,
    slow_headers,
    status,
)

BOUND = 256 * 1024
# More than a connection on this machine takes, however busy it is (seconds).
PATIENCE = 60.0
# More than kernels buffer for a connection (bytes): whoever takes so much holds it in memory.
MUCH = 32 * 1024 * 1024


@pytest_asyncio.fixture
async def servers() -> AsyncIterator[tuple[Server, Server]]:
    """Two providers."""
    made, runners = [], []
    for _ in range(2):
        server = Server()
        app = web.Application()
        app[SEEN] = server.seen
        app.router.add_post("/v1/chat/completions", server.handle)
        app.router.add_post("/v1/embeddings", server.handle)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        made.append(server)
        runners.append(runner)
    yield made[0], made[1]
    for runner in runners:
        await runner.cleanup()


@pytest_asyncio.fixture
async def faulty(servers: tuple[Server, Server], tmp_path: Path) -> AsyncIterator[Router]:
    """The router over HTTP: p0 is the first server, p1 the second."""
    (tmp_path / "key").write_text("sk-secret\n")
    providers = ProvidersByApi(KeyFiles(tmp_path), max_response_bytes=BOUND, connect_timeout=PATIENCE)
    bundle = make_bundle([server.url for server in servers], keys=["key"])
    yield await Router(bundle=bundle, providers=providers, max_response_bytes=BOUND).load()
    await providers.close()


async def hurry(faulty: Router, servers: tuple[Server, Server], fault: str, *places: int) -> None:
    """Has the router wait for these targets only briefly, if the fault is that they are slow."""
    if fault.startswith("slow"):
        faulty.bundle = make_bundle([server.url for server in servers], hurried=places, keys=["key"])
        await faulty.load()


FAULTS: dict[str, tuple[Handler, str]] = {
    "reset": (reset, "CONNECTION_LOST"),
    "429": (status(429, **{"Retry-After": "3"}), "RATE_LIMITED"),
    "500": (status(500), "SERVER_ERROR"),
    "503": (status(503), "SERVER_ERROR"),
    "408": (status(408), "TIMEOUT"),
    "401": (status(401), "KEY_REFUSED"),
    "redirect": (status(307, Location="http://127.0.0.1:1/"), "MODEL_RESPONSE_INVALID"),
    "slow headers": (slow_headers, "TIMEOUT"),
    "slow body": (slow_body, "TIMEOUT"),
    "cut body": (cut_body, "CONNECTION_LOST"),
    "invalid JSON": (raw(b'{"choices": ['), "MODEL_RESPONSE_INVALID"),
    "invalid UTF-8": (raw(b'{"choices": ["\xff\xfe"]}'), "MODEL_RESPONSE_INVALID"),
    "no object": (raw(b"[]"), "MODEL_RESPONSE_INVALID"),
    "no choices": (raw(b'{"object": "chat.completion"}'), "MODEL_RESPONSE_INVALID"),
    "wrong content type": (raw(b"<html></html>", "text/html"), "MODEL_RESPONSE_INVALID"),
    "error inside 200": (raw(b'{"error": {"message": "overloaded"}}'), "SERVER_ERROR"),
    "endless body": (endless, "MODEL_RESPONSE_TOO_LARGE"),
}
# Refusals after which the provider used no tokens; after any other fault it may have, and that is billed.
FREE = frozenset({"401", "429", "500", "503"})


def lost_at(fault: str, *providers: str) -> list[tuple[str, str]]:
    """The ledger's rows of attempts that may have cost something."""
    return [] if fault in FREE else [(provider, LOST) for provider in providers]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_each_fault_leads_to_the_next_provider(
    faulty: Router, servers: tuple[Server, Server], fault: str, stream: bool
) -> None:
    """The caller gets the second provider's answer, with the fault named; each attempt that may cost is billed."""
    servers[0].handler, reason = FAULTS[fault]
    await hurry(faulty, servers, fault, 0)
    if stream:
        sink = ListSink()
        report = (await faulty.do.stream_complete.run(faulty.request(), sink)).report
        assert sink.text == "hello"
    else:
        body, report = await faulty.do.complete.run(faulty.request())
        assert body == answer().body
    assert (report.provider, report.failovers) == ("p1", (f"p0/m: {reason}",))
    await faulty.drain()
    assert faulty.ledger.outcomes() == [*lost_at(fault, "p0"), ("p1", OK)]
    assert faulty.audit.data(MODEL_CALLED)[0]["failovers"] == [f"p0/m: {reason}"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_each_fault_of_all_providers_is_a_typed_error(
    faulty: Router, servers: tuple[Server, Server], fault: str, stream: bool
) -> None:
    """Only what may have cost is billed, audit has a refusal, and no text of the provider or key reaches the caller."""
    for server in servers:
        server.handler, reason = FAULTS[fault]
    await hurry(faulty, servers, fault, 0, 1)
    call = faulty.do.stream_complete.run(faulty.request(), ListSink()) if stream else None
    with pytest.raises(ModelCallError) as caught:
        await (call or faulty.do.complete.run(faulty.request()))
    assert caught.value.metadata["attempts"] == f"p0/m: {reason}; p1/m: {reason}"
    assert caught.value.retry_after == (pytest.approx(3.0, abs=1.0) if fault == "429" else None)
    shown = f"{caught.value} {caught.value.metadata}"
    assert "sk-secret" not in shown
    assert "overloaded" not in shown
    await faulty.drain()
    assert faulty.ledger.outcomes() == lost_at(fault, "p0", "p1")
    assert len(faulty.audit.data(MODEL_REFUSED)) == 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_refused_connection_leads_to_the_next_provider(
    servers: tuple[Server, Server], tmp_path: Path, stream: bool
) -> None:
    """Nobody listens: the next one answers."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
    providers = ProvidersByApi(KeyFiles(tmp_path), max_response_bytes=BOUND, connect_timeout=PATIENCE)
    router = await Router(bundle=make_bundle([dead, servers[1].url]), providers=providers).load()
    try:
        if stream:
            report = (await router.do.stream_complete.run(router.request(), ListSink())).report
        else:
            _, report = await router.do.complete.run(router.request())
    finally:
        await providers.close()
    assert report.failovers == ("p0/m: CONNECT_FAILED",)


async def test_a_name_that_does_not_resolve_and_a_server_without_tls(servers: tuple[Server, Server]) -> None:
    """DNS and TLS failures are failures to connect."""
    plain = servers[0].url.replace("http://", "https://")
    providers = ProvidersByApi(KeyFiles(None), max_response_bytes=BOUND, connect_timeout=PATIENCE)
    bundle = make_bundle(["http://no-such-host.invalid/v1", plain, servers[1].url])
    router = await Router(bundle=bundle, providers=providers).load()
    try:
        _, report = await router.do.complete.run(router.request())
    finally:
        await providers.close()
    assert report.failovers == ("p0/m: CONNECT_FAILED", "p1/m: CONNECT_FAILED")


async def test_a_stream_cut_in_the_middle_is_told_as_broken(faulty: Router, servers: tuple[Server, Server]) -> None:
    """After the first token no other provider takes over; what came is delivered, billed and on record."""

    async def cut(request: web.Request) -> web.StreamResponse:
        response = await events(request)
        await response.write(b"data: " + chunk("half") + b"\n\n")
        assert request.transport is not None
        request.transport.close()
        return response

    servers[0].handler = cut
    sink = ListSink()
    end = await faulty.do.stream_complete.run(faulty.request(), sink)
    assert (end.reason, sink.text) == ("CONNECTION_LOST", "half")
    assert servers[1].seen == []
    assert [record.outcome for record in faulty.ledger.calls] == ["broken"]


async def test_a_rejected_request_is_passed_on(faulty: Router, servers: tuple[Server, Server]) -> None:
    """400 is the caller's mistake: no failover, and the provider's error object comes back."""
    servers[0].handler = status(400)
    with pytest.raises(ModelCallError) as caught:
        await faulty.do.complete.run(faulty.request())
    assert caught.value.reason == "PROVIDER_REJECTED"
    assert orjson.loads(caught.value.metadata["provider_error"]) == {"message": "no", "type": "t"}
    assert servers[1].seen == []


async def test_the_body_goes_through_with_the_targets_model_and_key(
    faulty: Router, servers: tuple[Server, Server]
) -> None:
    """Unknown fields pass, `model` is the target's, and the key goes in the header alone."""
    body = orjson.dumps({"model": "default", "messages": [{"role": "user", "content": "é"}], "x_new": {"a": [1]}})
    await faulty.do.complete.run(faulty.request(body))
    request, seen = servers[0].seen[0]
    assert seen == {"model": "m", "messages": [{"role": "user", "content": "é"}], "x_new": {"a": [1]}}
    assert request.headers["Authorization"] == "Bearer sk-secret"


async def test_a_client_that_goes_away_cancels_the_upstream_call(
    faulty: Router, servers: tuple[Server, Server]
) -> None:
    """The provider sees the connection close, so that it stops generating."""
    reached = asyncio.Event()

    async def hang(request: web.Request) -> web.StreamResponse:
        response = await events(request)
        await response.write(b"data: " + chunk("a") + b"\n\n")
        reached.set()
        await asyncio.sleep(FOREVER)
        return response

    servers[0].handler = hang
    call = asyncio.create_task(faulty.do.stream_complete.run(faulty.request(), ListSink()))
    await reached.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.wait_for(servers[0].gone.wait(), PATIENCE)
    await faulty.drain()


async def test_a_slow_reader_slows_the_provider_down(faulty: Router, servers: tuple[Server, Server]) -> None:
    """What the reader has not taken waits at the provider and in the kernel, not in the router's memory."""
    sent = 0

    async def flood(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = await events(request)
        while True:
            await response.write(b"data: " + chunk("x" * 60_000) + b"\n\n")
            sent += 60_000

    async def stuck() -> None:
        await asyncio.sleep(FOREVER)

    servers[0].handler = flood
    call = asyncio.create_task(faulty.do.stream_complete.run(faulty.request(), ListSink(stuck)))
    before = -1
    # The condition is that nothing moves any more, which only two looks at a distance can tell.
    while sent < MUCH and (sent == 0 or sent != before):
        before = sent
        await asyncio.sleep(0.2)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await faulty.drain()
    assert sent < MUCH
