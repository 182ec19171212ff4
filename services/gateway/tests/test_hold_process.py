"""The gateway's process before, without and after an orchestrator, over mutual TLS to a real server that comes late."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.ports import free_ports

from .test_process import END_SECONDS, READY_SECONDS, start, until_ready
from .upstreams import Upstreams, server_of, upstreams

pytestmark = pytest.mark.integration
HOLD_SECONDS = 60


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
    files, password = certificates.files("gateway"), tmp_path / "redis-password"
    secret, _, server = redis_url.removeprefix("redis://:").partition("@")
    password.write_text(secret)
    port, grpc_port, internal_http, internal_grpc, orchestrator = free_ports(5)
    async with upstreams(certificates) as behind:
        settings = {
            "GRPC_LISTEN": f"127.0.0.1:{internal_grpc}",
            "HTTP_LISTEN": f"127.0.0.1:{internal_http}",
            "PUBLIC_HTTP_LISTEN": f"127.0.0.1:{port}",
            "PUBLIC_GRPC_LISTEN": f"127.0.0.1:{grpc_port}",
            "TLS_CERT_FILE": files.cert,
            "TLS_KEY_FILE": files.key,
            "TLS_CA_FILE": files.ca,
            "ORCHESTRATOR_TARGET": f"127.0.0.1:{orchestrator}",
            "AI_ROUTER_TARGET": behind.targets["ai-router"],
            "AUDIT_TARGET": behind.targets["audit"],
            "REDIS_URL": f"redis://{server}",
            "REDIS_PASSWORD_FILE": password,
            "OIDC_ISSUER": behind.issuer_url,
            "DRAIN_TIMEOUT": 10,
            "HOLD_SECONDS": HOLD_SECONDS,
            "HOLD_REQUESTS": 1,
        }
        process = await start(os.environ | {f"AMAS_GATEWAY_{name}": str(value) for name, value in settings.items()})
        yield Alone(
            behind,
            certificates,
            f"127.0.0.1:{orchestrator}",
            f"http://127.0.0.1:{port}",
            f"http://127.0.0.1:{internal_http}",
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
