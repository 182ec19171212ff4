"""Server-sent events: order, resumption, heartbeats, and how a stream ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest
from amas.common.v1 import run_pb2
from amas_chassis.clock import ManualClock
from amas_gateway.usecases import hold_stream

from . import fakes
from .fakes import PRINCIPALS, make_run
from .live import CLIENT_SECONDS, serving
from .world import World

HEADERS = {"Authorization": "Bearer developer"}
PATH = "/v1/runs/run-1/events"


@pytest.fixture
def clock() -> ManualClock:
    """Tokens end when the test says so."""
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def world(clock: ManualClock) -> World:
    world = World(heartbeat=0.05, clock=clock)
    world.runs.runs["run-1"] = make_run("run-1", PRINCIPALS["developer"])
    return world


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(world) as url,
        httpx.AsyncClient(base_url=url, headers=HEADERS, timeout=CLIENT_SECONDS) as client,
    ):
        yield client


def ids(text: str) -> list[int]:
    return [int(line.removeprefix("id: ")) for line in text.splitlines() if line.startswith("id: ")]


async def until(lines: AsyncIterator[str], wanted: Callable[[str], bool]) -> str:
    """The first line that is wanted."""
    async for line in lines:
        if wanted(line):
            return line
    pytest.fail("the stream ended before")


async def test_whole_history(world: World, client: httpx.AsyncClient) -> None:
    """A run that is over is told from its first event to its last, each with its id and kind; then the stream ends."""
    await world.runs.emit("run-1", 3, last=True)
    response = await client.get(PATH)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert ids(response.text) == [1, 2, 3]
    assert response.text.count("event: step_state_changed") == 3
    data = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]
    assert data[0]["stepStateChanged"]["state"] == "STEP_STATE_RUNNING"
    assert data[2]["sequence"] == "3"


async def test_resumes_after_the_last_event_seen(world: World, client: httpx.AsyncClient) -> None:
    """`Last-Event-ID` goes on behind that event: nothing twice, nothing lost; `after` does the same by hand."""
    await world.runs.emit("run-1", 5, last=True)
    resumed = await client.get(PATH, headers={"Last-Event-ID": "3"})
    assert ids(resumed.text) == [4, 5]
    assert ids((await client.get(PATH, params={"after": 4})).text) == [5]


async def test_nothing_left_is_204(world: World, client: httpx.AsyncClient) -> None:
    """A browser that comes back after the end gets 204, which tells it to stop coming back."""
    await world.runs.emit("run-1", 2, last=True)
    response = await client.get(PATH, headers={"Last-Event-ID": "2"})
    assert response.status_code == 204
    await asyncio.wait_for(world.runs.left.wait(), 60)


@pytest.mark.parametrize("bad", ["x", "-1", "1e3", "99999999999999999999", "²"])
async def test_bad_last_event_id(client: httpx.AsyncClient, bad: str) -> None:
    """An id that is none of ours is a 400, and not the history from the start."""
    response = await client.get(PATH, headers={"Last-Event-ID": bad.encode()})  # type: ignore[dict-item]
    assert response.status_code == 400


async def test_live_events_and_heartbeats(world: World, client: httpx.AsyncClient) -> None:
    """A quiet stream is kept open by comments, and an event comes through as soon as it happens."""
    async with client.stream("GET", PATH) as response:
        lines = response.aiter_lines()
        assert await until(lines, bool) == "retry: 1000"
        await until(lines, lambda line: line == ": heartbeat")
        await world.runs.emit("run-1")
        assert await until(lines, lambda line: line.startswith("id:")) == "id: 1"
        await world.runs.emit("run-1", last=True)
        assert await until(lines, lambda line: line.startswith("id:")) == "id: 2"
        assert [line async for line in lines if line.startswith("id:")] == []


async def test_cuts_behind_the_gateway_are_mended(world: World, client: httpx.AsyncClient) -> None:
    """When the orchestrator goes away and comes back, the client's stream goes on without a gap or a double."""
    world.runs.cuts = [2, 3]
    await world.runs.emit("run-1", 4, last=True)
    response = await client.get(PATH)
    assert ids(response.text) == [1, 2, 3, 4]
    assert "event: error" not in response.text


async def test_drain_ends_streams_with_a_hint(world: World, client: httpx.AsyncClient) -> None:
    """I12: a draining gateway ends open streams, and says when to come back."""
    async with client.stream("GET", PATH) as response:
        lines = response.aiter_lines()
        await until(lines, lambda line: line == ": heartbeat")
        world.draining.set()
        rest = [line async for line in lines]
    assert ": draining" in rest
    assert rest[-2:] == ["retry: 1000", ""]


async def test_stream_ends_with_its_token(
    world: World, clock: ManualClock, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream does not outlive the token that opened it."""
    soon = replace(PRINCIPALS["developer"], expires_at=clock.now().timestamp() + 300)
    monkeypatch.setitem(fakes.PRINCIPALS, "short", soon)
    async with client.stream("GET", PATH, headers={"Authorization": "Bearer short"}) as response:
        lines = response.aiter_lines()
        await until(lines, lambda line: line == ": heartbeat")
        clock.advance(300)
        rest = [line async for line in lines]
    assert "event: error" in rest
    assert any("TOKEN_EXPIRED" in line for line in rest)
    await asyncio.wait_for(world.runs.left.wait(), 60)


async def test_client_that_leaves_ends_the_watch(world: World, client: httpx.AsyncClient) -> None:
    """A closed connection ends the call to the orchestrator and gives the stream's place back."""
    async with client.stream("GET", PATH) as response:
        await until(response.aiter_lines(), lambda line: line == ": heartbeat")
        assert world.runs.watching == 1
    await asyncio.wait_for(world.runs.left.wait(), 60)
    assert world.instruments.streams.collect()[0].samples[0].value == 0


async def test_streams_are_bounded(world: World, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """One principal cannot hold more streams than its share; another still gets one."""
    monkeypatch.setattr(hold_stream, "MAX_STREAMS_PER_PRINCIPAL", 1)
    async with client.stream("GET", PATH) as response:
        await until(response.aiter_lines(), bool)
        refused = await client.get(PATH)
        assert refused.status_code == 429
        assert refused.json()["reason"] == "STREAMS_EXHAUSTED"
        async with client.stream("GET", PATH, headers={"Authorization": "Bearer admin"}) as other:
            assert other.status_code == 200


async def test_failure_inside_a_stream_is_told(world: World, client: httpx.AsyncClient) -> None:
    """A gap in the history ends the stream with an error event: a client never takes a part for the whole."""
    world.runs.events["run-1"] = [run_pb2.RunEvent(run_id="run-1", sequence=number) for number in (1, 3)]
    response = await client.get(PATH)
    assert ids(response.text) == [1]
    assert "EVENTS_GAP" in response.text
