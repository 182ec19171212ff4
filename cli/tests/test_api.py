import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.gateway import api as api_module
from amas_cli.gateway.api import MAX_PAGES, GatewayApi
from amas_cli.gateway.client import HttpClient

from .fakes import FakeGateway, serving, state_changed

# Turns of the loop in which a client has read what a server wrote.
TURNS = 100
EVENTS = ("GET", "/v1/runs/run-1/events")


async def token() -> str:
    return "a-token"


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    async with serving(FakeGateway()) as started:
        yield started


@pytest.fixture
async def api(gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[GatewayApi]:
    monkeypatch.setattr(api_module, "RECONNECT_DELAY_S", 0.0)
    async with HttpClient(gateway.url, token) as client:
        yield GatewayApi(client)


def stream(*connections: list[dict[str, object]], cut: bool) -> object:
    """A handler that sends one list of events a connection, and breaks all but the last."""
    left = list(connections)

    async def handle(request: web.Request) -> web.StreamResponse:
        events = left.pop(0)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b": heartbeat\n\nretry: 1000\n\n")
        for event in events:
            await response.write(f"id: {event['sequence']}\ndata: {json.dumps(event)}\n\n".encode())
        if cut and left and request.transport is not None:
            request.transport.abort()
        return response

    return handle


@pytest.mark.parametrize("cut", [True, False], ids=["cut", "ended early"])
async def test_a_watch_goes_on_where_it_was_cut(gateway: FakeGateway, api: GatewayApi, cut: bool) -> None:
    """Each event is shown once, in order, over as many connections as it takes."""
    first = [state_changed(1, "QUEUED"), state_changed(2, "RUNNING")]
    # A gateway that repeats what was seen does no harm.
    second = [state_changed(2, "RUNNING"), state_changed(3, "SUCCEEDED")]
    gateway.handlers[EVENTS] = stream(first, second, cut=cut)  # type: ignore[assignment]
    gateway.answers["GET", "/v1/runs/run-1"] = {"id": "run-1", "state": "RUN_STATE_RUNNING"}
    seen = [event async for event in api.watch("run-1")]
    assert [event["sequence"] for event in seen] == ["1", "2", "3"]
    assert seen[-1]["run_state_changed"] == {"state": "succeeded"}
    asked = [request for request in gateway.asked if request.path == EVENTS[1]]
    assert [request.headers.get("Last-Event-ID") for request in asked] == [None, "2"]


async def test_a_watch_of_what_is_over_ends(gateway: FakeGateway, api: GatewayApi) -> None:
    """204 means that nothing is left to tell: asking for ever would hang a script."""

    async def nothing(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=204)

    gateway.handlers[EVENTS] = nothing
    gateway.answers["GET", "/v1/runs/run-1"] = {"id": "run-1", "state": "RUN_STATE_FAILED"}
    assert [event async for event in api.watch("run-1", after=9)] == []


async def test_a_watch_of_a_gateway_that_stays_away_ends(api: GatewayApi, gateway: FakeGateway) -> None:
    """Reconnecting has a bound, and says how to go on."""

    async def away(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"detail": "Away.", "reason": "UNAVAILABLE"}, status=503)

    gateway.handlers[EVENTS] = away
    with pytest.raises(CliError) as ended:
        _ = [event async for event in api.watch("run-1")]
    assert ended.value.exit_code is ExitCode.UNAVAILABLE
    assert len(gateway.asked) == api_module.RECONNECTS + 1


async def test_an_error_in_the_stream_is_the_commands_error(api: GatewayApi, gateway: FakeGateway) -> None:
    """What the gateway says is said, at once."""

    async def refused(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'event: error\ndata: {"reason": "NOT_OWNER", "status": 403, "detail": "No."}\n\n')
        return response

    gateway.handlers[EVENTS] = refused
    with pytest.raises(CliError, match="NOT_OWNER") as ended:
        _ = [event async for event in api.watch("run-1")]
    assert ended.value.exit_code is ExitCode.NOT_ALLOWED


async def test_a_problem_that_comes_in_pieces_is_read_whole(gateway: FakeGateway, api: GatewayApi) -> None:
    """Long ones, such as the problems of many resources, come in several pieces."""

    async def refused(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=403, headers={"Content-Type": "application/problem+json"})
        await response.prepare(request)
        body = json.dumps({"detail": "Not yours.", "reason": "NOT_OWNER"}).encode()
        for piece in (body[:20], body[20:]):
            await response.write(piece)
            # The client is in this loop, and takes what is there in its turn.
            for _ in range(TURNS):
                await asyncio.sleep(0)
        return response

    gateway.handlers["GET", "/v1/runs/run-1"] = refused
    with pytest.raises(CliError, match="Not yours") as shown:
        await api.run("run-1")
    assert "NOT_OWNER" in str(shown.value)


async def test_all_pages_of_a_list_are_read(gateway: FakeGateway, api: GatewayApi) -> None:
    """A list is whole, however the gateway cuts it."""

    async def page(request: web.Request) -> web.StreamResponse:
        last = request.query.get("pageToken") == "next"
        answer = {"runs": [{"id": "b" if last else "a", "state": "RUN_STATE_RUNNING"}], "nextPageToken": ""}
        return web.json_response({**answer, "nextPageToken": "" if last else "next"})

    gateway.handlers["GET", "/v1/runs"] = page
    runs = await api.runs(state="running")
    assert runs == [{"id": "a", "state": "running"}, {"id": "b", "state": "running"}]


async def test_half_a_list_never_passes_for_the_whole(gateway: FakeGateway, api: GatewayApi) -> None:
    """What is longer than the command reads is an error that says how to ask for less; the bound itself is read."""
    pages = 0

    async def page(request: web.Request) -> web.StreamResponse:
        nonlocal pages
        pages += 1
        return web.json_response({"runs": [{"id": str(pages)}], "nextPageToken": "" if pages == last else "next"})

    gateway.handlers["GET", "/v1/runs"] = page
    last = MAX_PAGES
    assert len(await api.runs()) == MAX_PAGES
    pages, last = 0, MAX_PAGES + 1
    with pytest.raises(CliError, match="more than 10000 runs") as ended:
        await api.runs()
    assert (pages, "filter" in (ended.value.next_step or "")) == (MAX_PAGES, True)


async def test_the_answer_carries_the_digest_that_was_shown(gateway: FakeGateway, api: GatewayApi) -> None:
    """I3 begins here: the gateway is told what the approver saw."""
    gateway.answers["POST", "/v1/approvals/ap-1:approve"] = {"id": "ap-1", "state": "APPROVAL_STATE_APPROVED"}
    shown = {"id": "ap-1", "action_digest": "sha256:00", "rendering_digest": "sha256:11"}
    decided = await api.decide(shown, approve=True, reason="looks right")
    assert decided["state"] == "approved"
    sent = {"actionDigest": "sha256:00", "renderingDigest": "sha256:11", "reason": "looks right"}
    assert gateway.asked[-1].body == sent
    assert gateway.asked[-1].headers["Authorization"] == "Bearer a-token"


async def test_json_texts_become_values_and_nothing_in_them_is_renamed(gateway: FakeGateway, api: GatewayApi) -> None:
    """What a user wrote is shown as it was written."""
    manifest = {"kind": "AgentRole", "spec": {"onBound": "fail"}}
    gateway.answers["GET", "/v1/resources/AgentRole/writer"] = {"name": "writer", "manifestJson": json.dumps(manifest)}
    assert await api.resources("AgentRole", "writer") == [{"name": "writer", "manifest": manifest}]


async def test_a_server_that_is_not_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 5 and what to do."""
    async with HttpClient("http://127.0.0.1:9", token) as client:
        with pytest.raises(CliError) as refused:
            await GatewayApi(client).run("run-1")
    assert refused.value.exit_code is ExitCode.UNAVAILABLE
    assert "amas up" in refused.value.next_step
