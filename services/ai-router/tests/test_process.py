"""The service as a process: real Postgres, mutual TLS, a real provider over HTTP; audit and policy are stand-ins."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import orjson
import pytest
import pytest_asyncio
from amas.audit.v1 import audit_pb2, audit_pb2_grpc
from amas.common.v1 import identity_pb2
from amas.policy.v1 import policy_pb2_grpc
from amas.router.v1 import router_pb2 as pb
from amas.router.v1 import router_pb2_grpc
from amas_chassis.channels import ClientChannels
from amas_chassis.grpc_server import GrpcServer, GrpcService
from amas_chassis.rpc_errors import from_rpc_error
from amas_chassis.tls import TlsFiles, server_credentials
from amas_governance.bundle import Bundle

from tests.audit_events import misfit
from tests.integration.model_faults.stand_ins import Policy, router_alone
from tests.integration.ports import free_ports

from .fakes import make_bundle

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

# Bounds of a hang in seconds, not of a machine with much else to do: a process that ends is noticed at once.
READY_SECONDS = 90.0
END_SECONDS = 60.0
BODY = orjson.dumps({"model": "default", "messages": [{"role": "user", "content": "hello"}]})


class AuditStandIn(audit_pb2_grpc.AuditServiceServicer):
    """Keeps all that it is told: an event whose answer came too late is told again."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def once(self) -> list[Any]:
        """Each event once, in the order in which they came: audit knows an event by its id."""
        return list({event.id: event for event in self.events}.values())

    async def Append(self, request: Any, context: Any) -> Any:  # noqa: N802 - named by the contract
        for event in request.events:
            assert misfit(event) is None
        self.events += request.events
        return audit_pb2.AppendResponse()


@dataclass
class Platform:
    """What stands around the router, and the way to start it."""

    environment: dict[str, str]
    certificates: Any
    bundle: Bundle
    audit: AuditStandIn
    address: str
    channels: list[ClientChannels] = field(default_factory=list)

    def stub(self, caller: str) -> Any:
        """The router's client with the certificate of a service."""
        files = self.certificates.files(caller)
        made = ClientChannels(TlsFiles(files.cert, files.key, files.ca), caller)
        self.channels.append(made)
        return made.client(router_pb2_grpc.RouterServiceStub, self.address, "ai-router").stub

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        """The service's process."""
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "amas_ai_router", *arguments, env=os.environ | self.environment
        )

    async def ready(self, process: asyncio.subprocess.Process, stub: Any) -> None:
        """Loads the bundle as soon as the process takes it."""
        request = pb.LoadBundleRequest(digest=self.bundle.digest, content=self.bundle.content)
        loading = asyncio.ensure_future(stub.LoadBundle(request, timeout=READY_SECONDS, wait_for_ready=True))
        ended = asyncio.ensure_future(process.wait())
        await asyncio.wait((loading, ended), return_when=asyncio.FIRST_COMPLETED)
        assert not ended.done(), "the service ended at once"
        ended.cancel()
        await loading


def _server(files: Any, name: str, add: Callable[..., None], servicer: object) -> GrpcServer:
    credentials = server_credentials(TlsFiles(files.cert, files.key, files.ca))
    return GrpcServer("127.0.0.1:0", [GrpcService(name, add, servicer)], [router_alone(name)], credentials)


async def _until_open(port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(READY_SECONDS):
        while True:
            assert process.returncode is None, "the scripted model has ended"
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            return


@pytest_asyncio.fixture
async def platform(
    database: Callable[[str], Any], valkey: Any, certificates: Any, tmp_path: Path
) -> AsyncIterator[Platform]:
    """Stand-ins for audit and policy, a scripted provider, an empty database."""
    access, own = database("ai-router"), certificates.files("ai-router")
    audit, policy = AuditStandIn(), Policy()
    servers = [
        _server(
            certificates.files("audit"),
            "amas.audit.v1.AuditService",
            audit_pb2_grpc.add_AuditServiceServicer_to_server,
            audit,
        ),
        _server(
            certificates.files("policy-sidecar"),
            "amas.policy.v1.PolicyService",
            policy_pb2_grpc.add_PolicyServiceServicer_to_server,
            policy,
        ),
    ]
    for server in servers:
        await server.start()
    port, grpc_port, http_port = free_ports(3)
    provider = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "amas_cli.local.scripted_model", "--listen", f"127.0.0.1:{port}"
    )
    await _until_open(port, provider)
    settings = {
        "GRPC_LISTEN": f"127.0.0.1:{grpc_port}",
        "HTTP_LISTEN": f"127.0.0.1:{http_port}",
        "TLS_CERT_FILE": own.cert,
        "TLS_KEY_FILE": own.key,
        "TLS_CA_FILE": own.ca,
        "DATABASE_URL": access.service_url,
        "DATABASE_PASSWORD_FILE": access.service_password_file,
        "MIGRATION_DATABASE_URL": access.owner_url,
        "MIGRATION_DATABASE_PASSWORD_FILE": access.owner_password_file,
        "REDIS_URL": valkey.url,
        "REDIS_PASSWORD_FILE": valkey.password_file,
        "POLICY_TARGET": servers[1].address,
        "AUDIT_TARGET": servers[0].address,
        "KEYS_DIR": tmp_path,
    }
    environment = {f"AMAS_AI_ROUTER_{name}": str(value) for name, value in settings.items()}
    bundle = make_bundle([f"http://127.0.0.1:{port}/v1"], model="scripted")
    made = Platform(environment, certificates, bundle, audit, f"127.0.0.1:{grpc_port}")
    yield made
    for channels in made.channels:
        await channels.close()
    provider.terminate()
    await provider.wait()
    for server in servers:
        await server.drain(0.1)


def call_context(bundle: str, **more: Any) -> pb.CallContext:
    principal = identity_pb2.Principal(
        subject="developer", issuer="https://issuer.test", tenant="acme", roles=["developer"]
    )
    return pb.CallContext(principal=principal, bundle=bundle, **more)


async def test_the_service_serves_survives_and_drains(platform: Platform) -> None:
    """Migrate, serve both ways of a completion, kill -9, answer the same key from the ledger, end on SIGTERM with 0."""
    assert await (await platform.start("migrate")).wait() == 0
    process = await platform.start()
    try:
        stub = platform.stub("orchestrator")
        await platform.ready(process, stub)
        context = call_context(platform.bundle.digest, run_id="r", idempotency_key="r/a/1", fencing_token=1)
        first = await stub.Complete(pb.CompleteRequest(context=context, route="default", body=BODY))
        said = orjson.loads(first.body)["choices"][0]["message"]["content"]
        assert said == "You said: hello"
        request = pb.StreamCompleteRequest(context=call_context(platform.bundle.digest), route="default", body=BODY)
        parts = [part async for part in stub.StreamComplete(request)]
        assert parts[-1].report.usage.output_tokens == first.report.usage.output_tokens
        events = platform.audit.once()
        assert [event.type.rpartition(".")[2] for event in events] == ["called", "stream_started", "called"]
        assert all(len(event.trace_id) == 32 for event in events)
        # In a run the label is always said; elsewhere silence does not mean `public`.
        assert [event.HasField("label") for event in events] == [True, False, False]
        process.kill()
        await process.wait()
        platform.audit.events.clear()
        process = await platform.start()
        await platform.ready(process, stub)
        again = await stub.Complete(
            pb.CompleteRequest(context=context, route="default", body=BODY), timeout=READY_SECONDS
        )
        assert (again.body, again.report.replayed) == (first.body, True)
        assert platform.audit.once() == events[:1]
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), END_SECONDS) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_only_its_callers_get_in(platform: Platform) -> None:
    """The certificate decides: audit and policy may call nothing, the orchestrator may not read usage."""
    assert await (await platform.start("migrate")).wait() == 0
    process = await platform.start()
    try:
        await platform.ready(process, platform.stub("gateway"))
        usage = pb.QueryUsageRequest(tenant="acme")
        assert list((await platform.stub("gateway").QueryUsage(usage)).rows) == []
        models = pb.ListModelsRequest(context=call_context(platform.bundle.digest))
        for caller, call in (
            ("orchestrator", lambda stub: stub.QueryUsage(usage)),
            ("audit", lambda stub: stub.ListModels(models)),
            ("policy-sidecar", lambda stub: stub.ListModels(models)),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(platform.stub(caller))
            assert from_rpc_error(caught.value).reason == "CALLER_NOT_ALLOWED"
    finally:
        process.terminate()
        await process.wait()


async def test_a_migration_without_a_database_says_so(platform: Platform, tmp_path: Path) -> None:
    """A sentence and exit code 1: no traceback and no password."""
    secret = "not-for-anybodys-eyes"
    password_file = tmp_path / "owner"
    password_file.write_text(secret)
    platform.environment["AMAS_AI_ROUTER_MIGRATION_DATABASE_PASSWORD_FILE"] = str(password_file)
    platform.environment["AMAS_AI_ROUTER_MIGRATION_DATABASE_URL"] = "postgresql://amas_ai_router_owner@127.0.0.1:1/amas"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "amas_ai_router",
        "migrate",
        env=os.environ | platform.environment,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode == 1
    assert b"cannot be migrated" in said
    assert b"Traceback" not in said
    assert secret.encode() not in said
