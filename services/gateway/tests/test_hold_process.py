"""The gateway's process before, without and after an orchestrator, over mutual TLS to a real server that comes late."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.ports import free_ports

from .test_process import END_SECONDS, READY_SECONDS, environment_of, process_settings, start, until_ready
from .upstreams import Upstreams, server_of, upstreams

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
# Nobody is held so long: whoever is told nothing sooner fails by READY_SECONDS.
HOLD_SECONDS = 2 * READY_SECONDS


@dataclass
class Alone:
    """A gateway whose orchestrator is not there."""

    behind: Upstreams
    certificates: Any
    listen: str
    url: str
    internal: str
    process: asyncio.subprocess.Process

    async def orchestrator(self) -> Any:
        """Starts one."""
        server = server_of("orchestrator", self.behind, self.certificates, self.listen)
        await server.start()
        return server

    async def until_metrics(self, condition: Callable[[dict[str, float]], bool]) -> None:
        """Waits until the process's metrics fulfil it."""
        async with asyncio.timeout(READY_SECONDS), httpx.AsyncClient() as client:
            while True:
                try:
                    text = (await client.get(f"{self.internal}/metrics")).text
                except httpx.TransportError:
                    text = ""
                found = re.findall(r"^amas_gateway_(\w+) ([0-9.e+]+)$", text, re.MULTILINE)
                if found and condition({name: float(value) for name, value in found}):
                    return
                await asyncio.sleep(0.05)


@pytest.fixture
async def alone(certificates: Any, redis_url: str, tmp_path: Path) -> AsyncIterator[Alone]:
    (port,) = free_ports(1)
    absent = f"127.0.0.1:{port}"
    async with upstreams(certificates) as behind:
        settings = process_settings(behind, certificates, redis_url, tmp_path)
        settings |= {"ORCHESTRATOR_TARGET": absent, "HOLD_SECONDS": HOLD_SECONDS, "HOLD_REQUESTS": 1}
        process = await start(environment_of(settings))
        yield Alone(
            behind,
            certificates,
            absent,
            f"http://{settings['PUBLIC_HTTP_LISTEN']}",
            f"http://{settings['HTTP_LISTEN']}",
            process,
        )
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_a_request_waits_for_an_orchestrator_that_comes_late(alone: Alone) -> None:
    """Not ready but wanting before the first; held, and bounded, while there is none; answered when one comes back."""
    await alone.until_metrics(lambda metrics: metrics["orchestrator_wanted"] == 1)
    first = await alone.orchestrator()
    await until_ready(alone.url, alone.process)
    await alone.until_metrics(lambda metrics: metrics["orchestrator_wanted"] == 0)
    await first.drain(0.5)

    headers = {"Authorization": f"Bearer {alone.behind.token(roles=['developer'])}"}
    body = {"orchestration": "release-notes", "input": {}}
    async with httpx.AsyncClient(base_url=alone.url, headers=headers, timeout=HOLD_SECONDS) as client:
        held = asyncio.create_task(client.post("/v1/runs", json=body))
        await alone.until_metrics(lambda metrics: metrics["requests_held"] == 1)
        refused = await client.get("/v1/runs")
        assert (refused.status_code, refused.json()["reason"]) == (503, "UPSTREAM_UNAVAILABLE")
        assert int(refused.headers["Retry-After"]) >= 1
        assert not held.done()
        second = await alone.orchestrator()
        answer = await held
        assert answer.status_code == 201, answer.text
        assert len(alone.behind.orchestrator.seen) == 1
        await alone.until_metrics(lambda metrics: metrics["requests_held"] == metrics["orchestrator_wanted"] == 0)
        await second.drain(0.5)


async def test_who_goes_away_while_held_starts_nothing(alone: Alone) -> None:
    """A client that gave up has asked again by now, perhaps often: only who still waits gets a run, and a place."""
    first = await alone.orchestrator()
    await until_ready(alone.url, alone.process)
    await first.drain(0.5)
    headers = {"Authorization": f"Bearer {alone.behind.token(roles=['developer'])}"}
    async with httpx.AsyncClient(base_url=alone.url, headers=headers, timeout=HOLD_SECONDS) as client:
        gone = asyncio.create_task(client.post("/v1/runs", json={"orchestration": "gave-up", "input": {}}))
        await alone.until_metrics(lambda metrics: metrics["requests_held"] == 1)
        gone.cancel()
        await alone.until_metrics(lambda metrics: metrics["requests_held"] == 0)
        stays = asyncio.create_task(client.post("/v1/runs", json={"orchestration": "waits", "input": {}}))
        await alone.until_metrics(lambda metrics: metrics["requests_held"] == 1)
        second = await alone.orchestrator()
        answer = await stays
        assert answer.status_code == 201, answer.text
    assert [request.orchestration for request in alone.behind.orchestrator.seen] == ["waits"]
    await second.drain(0.5)


async def test_who_is_held_is_answered_by_a_gateway_that_ends(alone: Alone) -> None:
    """I12, though the hold is longer than the drain: 503 and when to come back, to another gateway."""
    first = await alone.orchestrator()
    await until_ready(alone.url, alone.process)
    await first.drain(0.5)
    headers = {"Authorization": f"Bearer {alone.behind.token(roles=['developer'])}"}
    body = {"orchestration": "release-notes", "input": {}}
    async with httpx.AsyncClient(base_url=alone.url, headers=headers, timeout=HOLD_SECONDS) as client:
        held = asyncio.create_task(client.post("/v1/runs", json=body))
        await alone.until_metrics(lambda metrics: metrics["requests_held"] == 1)
        alone.process.send_signal(signal.SIGTERM)
        told = await held
    assert (told.status_code, told.json()["reason"]) == (503, "UPSTREAM_UNAVAILABLE")
    assert int(told.headers["Retry-After"]) >= 1
    _, stderr = await asyncio.wait_for(alone.process.communicate(), END_SECONDS)
    assert alone.process.returncode == 0, stderr.decode()
