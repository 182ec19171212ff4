"""A complete decision over the socket beside an empty call and beside OPA's REST API for the Rego part alone."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import psutil
from amas.common.v1 import decision_pb2
from amas.policy.v1 import policy_pb2, policy_pb2_grpc
from amas_chassis import telemetry
from amas_chassis.channels import ClientChannels

from ..report import Row, half_range, percentile
from . import question
from .stage import Stage, stage

ROUNDS, QUICK_ROUNDS = 5, 2
CALLS, QUICK_CALLS = 600, 100
CALLERS = 16
WARM_UP = 50
CALL_TIMEOUT_S = 30.0


@dataclass
class Measured:
    """One way to ask, over all rounds: p50 and p99 in milliseconds one at a time, CPU milliseconds of the server."""

    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Way:
    """A call, and the process whose CPU it costs."""

    call: Callable[[], Awaitable[None]]
    server: psutil.Process


async def measure(*, quick: bool) -> list[Row]:
    """Rows of latency, CPU and decisions a second."""
    telemetry.configure("orchestrator", None)
    rounds, calls = (QUICK_ROUNDS, QUICK_CALLS) if quick else (ROUNDS, CALLS)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _repository(folder)
        with stage(folder) as running:
            async with _ways(running) as ways:
                results = {name: Measured() for name in ways}
                for way in ways.values():
                    await _one_by_one(way, WARM_UP)
                # In turns, so that what else the machine does disturbs all of them alike.
                for _ in range(rounds):
                    for name, way in ways.items():
                        await _round(way, calls, results[name])
    return _rows(results)


async def _round(way: Way, calls: int, into: Measured) -> None:
    before = _cpu(way.server)
    times = await _one_by_one(way, calls)
    into.cpu.append((_cpu(way.server) - before) / calls * 1_000)
    into.p50.append(percentile(times, 0.5) * 1_000)
    into.p99.append(percentile(times, 0.99) * 1_000)
    numbers, begun, before = itertools.count(), time.perf_counter(), _cpu(way.server)

    async def caller() -> None:
        while next(numbers) < calls:
            await way.call()

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    # By the server's own CPU: a core of its own answers so many, whatever else this machine does.
    into.rate.append(calls / max(_cpu(way.server) - before, 1e-6))
    del begun


async def _one_by_one(way: Way, calls: int) -> list[float]:
    times = []
    for _ in range(calls):
        begun = time.perf_counter()
        await way.call()
        times.append(time.perf_counter() - begun)
    return times


def _cpu(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:2])


@contextlib.asynccontextmanager
async def _ways(running: Stage) -> AsyncIterator[dict[str, Way]]:
    channels = ClientChannels(running.tls("orchestrator"), "orchestrator")
    try:
        # As the orchestrator speaks to it, and what everyone else's gRPC costs.
        sidecar, framed, echo = (
            make(policy_pb2_grpc.PolicyServiceStub, target, "policy-sidecar", default_timeout=CALL_TIMEOUT_S).stub
            for make, target in (
                (channels.mux_client, running.sidecar_target),
                (channels.mux_client, running.echo_target),
                (channels.client, running.echo_target),
            )
        )
        digest = await _accepted(sidecar)
        same = question.request(digest, question.message(0))
        numbers = itertools.count(1)

        async def cached() -> None:
            _allowed(await sidecar.Decide(same))

        async def fresh() -> None:
            _allowed(await sidecar.Decide(question.request(digest, question.message(next(numbers)))))

        async def empty() -> None:
            await echo.Decide(same)

        async def empty_framed() -> None:
            await framed.Decide(same)

        async with aiohttp.ClientSession() as session:
            url = f"{running.opa_url}/v1/data/amas/main/decision"
            body = json.dumps({"input": question.policy_input(question.message(0))}).encode()

            async def opa() -> None:
                async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as response:
                    answer = await response.json()
                if answer["result"]["effect"] != "allow":
                    raise RuntimeError(f"OPA does not allow what it should: {answer}")

            yield {
                "complete decision, new each time": Way(fresh, running.sidecar),
                "complete decision, pure part cached": Way(cached, running.sidecar),
                "empty gRPC echo": Way(empty, running.echo),
                "empty call as frames": Way(empty_framed, running.echo),
                "OPA's REST API, Rego alone": Way(opa, running.opa),
            }
    finally:
        await channels.close()


async def _accepted(sidecar: Any) -> str:
    """Loads the bundle with the pin that the live server has; answers its digest."""
    # Nothing is revoked; while nobody has said so, nothing is decided.
    await sidecar.SyncRevocations(policy_pb2.SyncRevocationsRequest(version=1))
    bare = question.bundle(None)
    await sidecar.LoadBundle(policy_pb2.LoadBundleRequest(digest=bare.digest, content=bare.content))
    asked = policy_pb2.DescribeToolServerRequest(bundle=bare.digest, server="git")
    pinned = question.bundle((await sidecar.DescribeToolServer(asked)).pin)
    await sidecar.LoadBundle(policy_pb2.LoadBundleRequest(digest=pinned.digest, content=pinned.content))
    return pinned.digest


def _allowed(response: policy_pb2.DecideResponse) -> None:
    if response.decision.effect != decision_pb2.EFFECT_ALLOW:
        raise RuntimeError(f"the sidecar does not allow what it should: {response.decision.reasons}")


def _rows(results: dict[str, Measured]) -> list[Row]:
    opa, echo = results["OPA's REST API, Rego alone"], results["empty gRPC echo"]
    asked = ("complete decision, new each time", "complete decision, pure part cached")
    rows: list[Row] = []
    for name, one in results.items():
        peer = "OPA" if name in asked else None
        for share, mine, theirs in (("p50", one.p50, opa.p50), ("p99", one.p99, opa.p99)):
            ratio = median(a / b for a, b in zip(mine, theirs, strict=True)) if peer else None
            aim = "<= 1" if peer else None
            rows.append(Row(f"{name}, {share}", median(mine), "ms", peer, ratio, half_range(mine), aim))
        rows.append(Row(f"{name}, CPU", median(one.cpu), "ms", spread=half_range(one.cpu)))
    cached = results["complete decision, pure part cached"]
    beyond = [a - b for a, b in zip(cached.cpu, echo.cpu, strict=True)]
    rows.append(Row("CPU beyond the echo, cached", median(beyond), "ms", spread=half_range(beyond), aim="<= 0.5"))
    for name in asked:
        rate = results[name].rate
        rows.append(Row(f"{name}, on one core", median(rate), "/s", spread=half_range(rate)))
    return rows


def _repository(folder: Path) -> None:
    repository = str(folder / "work" / "repository")
    author = ["-c", "user.name=bench", "-c", "user.email=bench@example.com"]
    (folder / "work").mkdir()
    subprocess.run(["git", "init", "-q", repository], check=True)
    subprocess.run(["git", "-C", repository, *author, "commit", "-q", "--allow-empty", "-m", "one"], check=True)
