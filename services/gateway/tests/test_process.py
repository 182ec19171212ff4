"""The gateway as the process that it is: mutual TLS to real servers, a real issuer and Redis, and SIGTERM."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from amas.gateway.v1 import gateway_pb2, gateway_pb2_grpc

from tests.integration.ports import free_ports

from .fakes import DIGEST
from .upstreams import Upstreams, upstreams

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

# Bounds of a hang, not of a machine with much else to do: a process that ends is noticed at once.
READY_SECONDS = 90
END_SECONDS = 60


@dataclass
class Gateway:
    """The running process."""

    process: asyncio.subprocess.Process
    url: str
    environment: dict[str, str]


@pytest.fixture
async def behind(certificates: Any) -> AsyncIterator[Upstreams]:
    async with upstreams(certificates) as all_of:
        yield all_of


def process_settings(behind: Upstreams, certificates: Any, redis_url: str, folder: Path) -> dict[str, object]:
    """Settings of a gateway process between these services, on ports of its own."""
    files, password = certificates.files("gateway"), folder / "redis-password"
    secret, _, server = redis_url.removeprefix("redis://:").partition("@")
    password.write_text(secret)
    port, grpc_port, internal_http, internal_grpc = free_ports(4)
    return {
        "GRPC_LISTEN": f"127.0.0.1:{internal_grpc}",
        "HTTP_LISTEN": f"127.0.0.1:{internal_http}",
        "PUBLIC_HTTP_LISTEN": f"127.0.0.1:{port}",
        "PUBLIC_GRPC_LISTEN": f"127.0.0.1:{grpc_port}",
        "TLS_CERT_FILE": files.cert,
        "TLS_KEY_FILE": files.key,
        "TLS_CA_FILE": files.ca,
        "ORCHESTRATOR_TARGET": behind.targets["orchestrator"],
        "AI_ROUTER_TARGET": behind.targets["ai-router"],
        "AUDIT_TARGET": behind.targets["audit"],
        "REDIS_URL": f"redis://{server}",
        "REDIS_PASSWORD_FILE": password,
        "OIDC_ISSUER": behind.issuer_url,
        "DRAIN_TIMEOUT": 30,
    }


def environment_of(settings: dict[str, object]) -> dict[str, str]:
    """This process's environment with these settings of the gateway."""
    return os.environ | {f"AMAS_GATEWAY_{name}": str(value) for name, value in settings.items()}


@pytest.fixture
async def gateway(behind: Upstreams, certificates: Any, redis_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    settings = process_settings(behind, certificates, redis_url, tmp_path)
    environment = environment_of(settings)
    process = await start(environment)
    url = f"http://{settings['PUBLIC_HTTP_LISTEN']}"
    try:
        await until_ready(url, process)
        yield Gateway(process, url, environment)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def start(environment: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "amas_gateway", env=environment, stderr=asyncio.subprocess.PIPE
    )


async def until_ready(url: str, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(READY_SECONDS), httpx.AsyncClient() as client:
        while True:
            assert process.returncode is None, "the gateway has ended"
            try:
                if (await client.get(f"{url}/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


async def test_every_adapter_over_the_wire(gateway: Gateway, behind: Upstreams) -> None:
    """What the services get passes their contracts' rules, under the principal of the token, and comes back whole."""
    roles = ["developer", "platform-admin", "auditor"]
    token = behind.token(roles=roles, groups=["g"])
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=END_SECONDS) as client:
        body = {"orchestration": "release-notes", "input": {"a": 1}}
        started = await client.post("/v1/runs", json=body, headers={"Idempotency-Key": "k"})
        assert started.status_code == 201, started.text
        seen = behind.orchestrator.seen[0]
        assert (seen.orchestration, seen.input_json, seen.idempotency_key) == ("release-notes", '{"a":1}', "k")
        who = seen.principal
        assert (who.subject, who.tenant, who.issuer) == ("developer", "acme", behind.issuer_url)
        assert (list(who.roles), list(who.groups)) == (sorted(roles), ["g"])

        events = await client.get("/v1/runs/run-1/events", headers={"Last-Event-ID": "1"})
        assert [line for line in events.text.splitlines() if line.startswith("id:")] == ["id: 2", "id: 3"]
        assert (await client.get("/v1/runs/none")).json()["reason"] == "RUN_NOT_FOUND"
        assert (await client.get("/v1/runs")).json()["runs"][0]["tenant"] == "acme"
        failed = await client.post("/v1/runs/run-1:cancel")
        assert (failed.status_code, "hunter2" in failed.text) == (500, False)
        applied = await client.post("/v1/resources:apply", json={"files": [{"name": "a.yaml", "content": "x"}]})
        assert applied.status_code == 200

        chat = {"model": "default", "messages": [], "extra": [1.5]}
        assert (await client.post("/v1/chat/completions", json=chat)).json() == chat
        assert behind.router.bundles == {DIGEST: b"bundle of acme"}
        assert behind.router.contexts[0].principal.tenant == "acme"
        streamed = await client.post("/v1/chat/completions", json=chat | {"stream": True})
        assert streamed.text.startswith('data: {"n":1}\n\ndata: {"error"')
        assert (await client.get("/v1/models")).json()["data"][0]["id"] == "default"
        usage = await client.get("/v1/usage?runId=run-1&since=1970-01-01T00:00:07Z")
        assert usage.json()["rows"][0]["calls"] == "7"
        budgets = await client.get("/v1/budgets?name=acme-daily")
        assert [(b["name"], b["subject"]) for b in budgets.json()["budgets"]] == [("acme-daily", "developer")]
        assert (await client.get("/v1/usage?since=yesterday")).json()["violations"][0]["field"] == "since"

        assert (await client.get("/v1/audit/runs/run-1/export")).content == b"onetwo"
        assert len((await client.get("/v1/audit/events")).json()["entries"]) == 2
        assert [run for _, run in behind.orchestrator.audit_reads] == ["run-1", ""]
        assert [event.type for event in behind.audit.events] == ["dev.amas.audit.read"] * 2
        assert json.loads(behind.audit.events[0].data_json) == {"filters": {"run_id": "run-1"}, "what": "export"}
        assert json.loads(behind.audit.events[1].data_json) == {"count": 2, "filters": {}, "what": "query"}


async def test_refusals_reach_the_audit_log(gateway: Gateway, behind: Upstreams) -> None:
    """A refused access is in the audit log soon after, with its trace, and without the token."""
    async with httpx.AsyncClient(base_url=gateway.url, timeout=END_SECONDS) as client:
        token = behind.token(roles=["auditor"])
        refused = await client.get("/v1/runs", headers={"Authorization": f"Bearer {token}"})
    assert refused.status_code == 403
    await asyncio.wait_for(behind.audit.appended.wait(), 60)
    event = behind.audit.events[0]
    assert (event.type, event.tenant, event.principal) == ("dev.amas.access.denied", "acme", "developer")
    assert event.trace_id == refused.json()["traceId"]
    assert token not in str(event)


async def test_a_message_is_bounded_before_anybody_looks_who_sent_it(gateway: Gateway) -> None:
    """As a body of HTTP: gRPC reads a whole message first, so that anybody could fill the memory."""
    async with grpc.aio.insecure_channel(gateway.environment["AMAS_GATEWAY_PUBLIC_GRPC_LISTEN"]) as channel:
        stub = gateway_pb2_grpc.RunsServiceStub(channel)
        for size, code in ((10, grpc.StatusCode.UNAUTHENTICATED), (5_000_000, grpc.StatusCode.RESOURCE_EXHAUSTED)):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.GetRun(gateway_pb2.GetRunRequest(run_id="x" * size), timeout=END_SECONDS)
            assert refused.value.code() is code


async def test_sigterm_under_load_loses_no_request(gateway: Gateway, behind: Upstreams) -> None:
    """I12: every request that was accepted when SIGTERM came is answered, and the process ends with 0."""
    behind.orchestrator.slowness = 0.3
    headers = {"Authorization": f"Bearer {behind.token(roles=['platform-admin'])}"}
    body = {"orchestration": "o", "input": {}}
    answered: list[int] = []

    async def load(client: httpx.AsyncClient) -> None:
        while True:
            try:
                answered.append((await client.post("/v1/runs", json=body)).status_code)
            except httpx.ConnectError:
                # Refused before it was accepted: the one fair end of this loop.
                return

    async with asyncio.TaskGroup() as group:
        clients = [httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=END_SECONDS) for _ in range(8)]
        for client in clients:
            group.create_task(load(client))
        await behind.orchestrator.busy.wait()
        gateway.process.send_signal(signal.SIGTERM)
    for client in clients:
        await client.aclose()
    _, stderr = await asyncio.wait_for(gateway.process.communicate(), END_SECONDS)
    assert gateway.process.returncode == 0, stderr.decode()
    assert set(answered) <= {201, 429}
    assert answered.count(201) == len(behind.orchestrator.seen)


async def test_port_in_use_is_one_sentence(gateway: Gateway) -> None:
    """A second gateway on the same port says so in one sentence and ends; the first goes on."""
    environment = gateway.environment | {
        "AMAS_GATEWAY_GRPC_LISTEN": "127.0.0.1:0",
        "AMAS_GATEWAY_HTTP_LISTEN": "127.0.0.1:0",
    }
    second = await start(environment)
    _, stderr = await asyncio.wait_for(second.communicate(), END_SECONDS)
    assert second.returncode == 3
    told = [line for line in stderr.decode().splitlines() if not line.startswith("{")]
    address = gateway.environment["AMAS_GATEWAY_PUBLIC_HTTP_LISTEN"]
    assert told == [f"gateway: {address} cannot be listened on: another process listens there"]
    await until_ready(gateway.url, gateway.process)


async def test_restart_on_the_same_port(gateway: Gateway) -> None:
    """After a kill -9 the next gateway listens on the same port at once."""
    gateway.process.kill()
    await gateway.process.wait()
    second = await start(gateway.environment)
    try:
        await until_ready(gateway.url, second)
    finally:
        second.kill()
        await second.communicate()
