"""What `make bench-router` measures is what it says: the load, the scripted provider, the ratios and the verdicts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from amas_cli.local.processes import ProcessSpec
from amas_governance.consistency import check
from amas_governance.loader import SourceFile, load

from .router import payloads, peers
from .router.cells import Cell, all_cells, most, steady
from .router.connection import Answered
from .router.failover import FAULTS, fault_rows
from .router.idle_streams import rows as idle_rows
from .router.load import Recorder, closed_loop, connect, open_loop, wire_requests
from .router.measure import Sample
from .router.ours import NAME, ROUTER_PARTS
from .router.overhead import takes_part
from .router.overhead_rows import Samples, rows
from .router.plan import Endpoint, Outcome, Plan
from .router.resources import manifest
from .router.supervise import LIMITS, RAISED, amended
from .router.systems import LITELLM, PASSTHROUGH, PORTKEY, UPSTREAM
from .router.upstream import Provider

PROVIDERS = ("good", "refused", "reset", "hang", "idle", "dying")
# As long as a load goes on; a connection asks once in any case.
MOMENT_S = 0.05
# Bound of a hang.
CLOSE_TIMEOUT_S = 60.0


class Watched(Provider):
    """Says when its connection is gone."""

    def __init__(self) -> None:
        super().__init__()
        self.gone = asyncio.Event()

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.gone.set()


@contextlib.asynccontextmanager
async def provider() -> AsyncIterator[int]:
    """The scripted provider in this process; its port."""
    made: list[Watched] = []

    def make() -> Provider:
        made.append(Watched())
        return made[-1]

    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            for one in made:
                await one.gone.wait()


def plan(port: int, behaviour: str = "ok", *, stream: bool = False, size: int = 1024) -> Plan:
    """A closed loop of two connections."""
    endpoint = Endpoint(port, f"/{behaviour}/v1/chat/completions")
    return Plan(endpoint, "closed", MOMENT_S, size=size, stream=stream, connections=2)


@pytest.mark.parametrize("kilobytes", [1, 4, 50])
def test_requests_have_the_size_that_they_are_named_for(kilobytes):
    """A prompt of 50 KB is one, and no two are the same, so that no cache answers."""
    bodies = payloads.requests("m", kilobytes * 1024, stream=True)
    assert {len(body) for body in bodies} == {kilobytes * 1024}
    assert len(set(bodies)) == payloads.VARIANTS
    with pytest.raises(ValueError, match="at least"):
        payloads.requests("m", 10, stream=False)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("size", [1024, 50 * 1024])
async def test_the_scripted_provider_answers_whole_and_in_parts(stream, size):
    """Both kinds end as HTTP says, connection after connection, also where a body comes in several reads."""
    async with provider() as port:
        outcome = await closed_loop(plan(port, stream=stream, size=size))
    assert outcome.answered
    assert not outcome.failures, outcome.examples
    assert len(outcome.firsts) == outcome.answered


async def test_a_stream_has_every_event_once_and_its_usage():
    """What is sent for a stream is what OpenAI sends: data events, usage, then [DONE]."""
    events = payloads.events()
    assert events[-1] == b"data: [DONE]\n\n"
    chunks = [json.loads(event.removeprefix(b"data: ")) for event in events[:-1]]
    text = "".join(choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"])
    assert text.split() == [f"word{number}" for number in range(payloads.CHUNKS)]
    assert chunks[-1]["usage"] == json.loads(payloads.completion())["usage"]


async def test_a_wish_for_a_stream_is_seen_when_it_is_cut_in_two():
    """However the body is split over reads, the provider answers with a stream."""
    async with provider() as port:
        request = wire_requests(plan(port, stream=True))[0]
        cut = request.index(b'"stream":true') + 5
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request[:cut])
        await writer.drain()
        writer.write(request[cut:])
        assert b"event-stream" in await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()


async def test_a_reset_is_a_failure_in_words():
    """A provider that resets is counted as failed, not as answered."""
    async with provider() as port:
        outcome = await closed_loop(plan(port, "reset"))
    assert not outcome.answered
    assert outcome.failures
    assert "lost" in outcome.examples[0]


async def test_idle_streams_begin_and_stay_open():
    """The first token is there; the end is not."""
    async with provider() as port:
        connection = await connect(port)
        await connection.begin(wire_requests(plan(port, "idle", stream=True))[0])
        assert not connection.usable
        connection.close()


async def test_refusals_and_errors_inside_a_stream_have_failed():
    """Neither a status other than 200 nor an error event is taken for an answer, and the words are kept."""
    answers = [
        b'HTTP/1.1 503 No\r\ncontent-length: 7\r\n\r\n{"no":1}'[:-1],
        b'HTTP/1.1 200 OK\r\ncontent-length: 26\r\n\r\ndata: {"error":{"a":"cut"}}',
    ]

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answers[0])
        writer.close()

    for _ in range(len(answers)):
        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        async with server:
            outcome = await closed_loop(plan(server.sockets[0].getsockname()[1]))
        assert not outcome.answered
        assert outcome.examples
        answers.pop(0)


def test_a_time_counts_from_the_moment_that_a_request_was_due():
    """A request that was sent late since its system stalled is charged with the stall (no coordinated omission)."""
    recorder = Recorder()
    recorder.answered(due=10.0, answer=Answered(first=12.0, last=12.5))
    outcome = recorder.outcome()
    assert outcome.firsts == [2000.0]
    assert outcome.totals == [2500.0]


async def test_an_open_loop_sends_what_is_due_and_no_more():
    """The number of requests follows from the rate, not from how fast answers come."""
    async with provider() as port:
        found = plan(port)
        outcome = await open_loop(Plan(found.endpoint, "open", MOMENT_S, rate=200.0, connections=1))
    assert outcome.answered + outcome.failures == int(200 * MOMENT_S)


def test_plans_travel_as_lines_and_show_no_token():
    """What the load generator reads is what was meant; the token is in no repr."""
    sent = Plan(Endpoint(1, headers={"authorization": "Bearer secret"}), "open", 1.0, rate=5)
    assert Plan.from_json(sent.to_json()) == sent
    assert "secret" not in repr(sent)
    outcome = Outcome(1.0, [1.0], [2.0], 0, [])
    assert Outcome.from_json(outcome.to_json()) == outcome


def test_the_resources_load_and_fit_together():
    """Every route names providers that exist, and no field is unknown."""
    text = manifest({name: f"http://127.0.0.1:1/{name}/v1" for name in PROVIDERS})
    loaded = load([SourceFile("bench.yaml", text)])
    assert not loaded.problems
    assert not check(loaded.resources)
    routes = {resource.metadata.name for resource in loaded.resources if resource.kind == "ModelRoute"}
    assert {fault.route for fault in FAULTS} <= routes
    assert any(resource.kind == "Budget" for resource in loaded.resources)


def test_only_limits_differ_from_what_users_run():
    """Of the platform nothing is changed but the gateway's rates; a profile is asked for by name."""

    async def ready() -> bool:
        return True

    def spec(name: str) -> ProcessSpec:
        argv = ("python", "-P", "-m", f"amas_{name}")
        return ProcessSpec(name, argv, {"A": "b"}, Path(), Path(), ready, stop_signal=signal.SIGTERM)

    assert amended(spec("audit"), None) == spec("audit")
    assert amended(spec("ai-router"), None) == spec("ai-router")
    gateway = amended(spec("gateway"), None)
    assert gateway.argv == spec("gateway").argv
    assert gateway.environment == {"A": "b", **dict.fromkeys(LIMITS, RAISED)}
    profiled = amended(spec("gateway"), Path("/profiles"))
    assert profiled.argv[-2:] == ("-m", "amas_gateway")
    assert "cProfile" in profiled.argv


def sample(cpu: float, times: list[float], failures: int = 0) -> Sample:
    """A sample of ours with one part that counts and one that does not."""
    outcome = Outcome(1.0, times, times, failures, [])
    return Sample(outcome, {ROUTER_PARTS[0]: cpu, "postgres": 5.0}, ROUTER_PARTS[:1])


def samples(cell: Cell, **by_name: list[Sample]) -> Samples:
    """By system, under names that are identifiers."""
    names = {"ours": NAME, "litellm": LITELLM, "portkey": PORTKEY, "bare": PASSTHROUGH, "upstream": UPSTREAM}
    return {(names[name], cell): found for name, found in by_name.items()}


def test_ratios_of_speed_are_taken_round_by_round():
    """A round in which everything was twice as slow does not move the ratio; stores do not count as ours."""
    cell = most(stream=False)
    found = rows(
        samples(
            cell,
            ours=[sample(1.0, [1.0]), sample(2.0, [1.0])],
            litellm=[sample(30.0, [1.0]), sample(60.0, [1.0])],
            upstream=[sample(0.1, [1.0])] * 2,
        ),
        quick=False,
    )
    cpu = found[0]
    assert cpu.value == pytest.approx(1.5)
    assert cpu.meets is False
    judged = next(row for row in found if row.peer == LITELLM)
    assert judged.ratio == pytest.approx(30)
    assert judged.meets is True


def test_a_peer_that_answered_nothing_has_no_ratio():
    """It is neither an error of ours nor a division by zero."""
    cell = most(stream=True)
    nothing = Sample(Outcome(0.0, [], [], 9, ["500"]), {ROUTER_PARTS[0]: 0.0}, ROUTER_PARTS[:1])
    found = rows(samples(cell, ours=[sample(1.0, [1.0])], portkey=[nothing], upstream=[nothing]), quick=False)
    assert all(row.peer is None for row in found)


def test_added_time_is_what_the_upstream_alone_does_not_take():
    """Ours adds 2 ms, the peer 10 ms: a fifth, which is more than a tenth."""
    cell = steady(stream=False, high=False)
    found = rows(
        samples(cell, ours=[sample(1, [3.0])], litellm=[sample(1, [11.0])], upstream=[sample(1, [1.0])]), quick=False
    )
    ours, theirs = found[:2]
    assert ours.value == pytest.approx(2)
    assert theirs.ratio == pytest.approx(0.2)
    assert theirs.meets is False


def test_the_slowest_peer_is_not_drowned():
    """At the high rate LiteLLM's queue would be all that is seen; everybody takes part in everything else."""
    cells = all_cells(quick=False)
    assert len(set(cells)) == len(cells)
    assert [cell for cell in cells if not takes_part(LITELLM, cell)] == [cell for cell in cells if cell.high]
    assert all(takes_part(PORTKEY, cell) for cell in cells)


def test_a_fault_is_judged_by_what_it_adds_to_the_backup():
    """The backup's own time is taken off, round by round; failed calls are an aim of their own."""
    fault = FAULTS[0]
    found = fault_rows(fault, [sample(1, [70.0], failures=1).outcome], [sample(1, [10.0]).outcome])
    failed, _, p99 = found
    assert failed.meets is False
    assert p99.value == pytest.approx(60)
    assert p99.meets is False


def test_memory_is_shared_among_the_streams_that_were_open():
    """Refused streams hold no memory, and are said."""
    before, after = {"gateway": 0, "ai-router": 0}, {"gateway": 20 * 1024 * 10, "ai-router": 10 * 1024 * 10}
    refused, total, *_ = idle_rows(12, before, after, Outcome(1.0, [1.0] * 10, [1.0] * 10, 2, ["503"]))
    assert refused.meets is False
    assert total.value == pytest.approx(30)
    assert total.meets is True
    assert len(idle_rows(1, before, after, Outcome(1.0, [], [], 1, ["503"]))) == 1


def test_a_peer_is_installed_once_and_a_failure_says_why(tmp_path, monkeypatch):
    """A half-made folder is not taken for an installed peer."""
    monkeypatch.setenv("AMAS_CACHE_DIR", str(tmp_path))

    def fail(folder: Path) -> None:
        peers._run([sys.executable, "-c", "raise SystemExit('the index is away')"], folder)

    with pytest.raises(peers.NotInstalledError, match="the index is away"):
        peers.installed("peer-1", fail)
    made: list[Path] = []
    assert peers.installed("peer-1", made.append) == tmp_path / "bench" / "peer-1"
    peers.installed("peer-1", made.append)
    assert len(made) == 1
