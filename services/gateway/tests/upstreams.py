"""Twins of orchestrator, ai-router and audit as real gRPC servers with mutual TLS, and an issuer over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from amas.audit.v1 import audit_pb2, audit_pb2_grpc
from amas.common.v1 import run_pb2
from amas.orchestrator.v1 import orchestrator_pb2, orchestrator_pb2_grpc
from amas.router.v1 import router_pb2, router_pb2_grpc
from amas_chassis.errors import AmasError, ErrorKind
from amas_chassis.grpc_server import GrpcServer, GrpcService
from amas_chassis.interceptors import internal_interceptor
from amas_chassis.tls import TlsFiles, server_credentials

from tests.audit_events import misfit

from .fakes import DIGEST
from .issuer import TestIssuer

# ruff: noqa: N802 - the contracts name the methods.


BUSY = 16


class Orchestrator(orchestrator_pb2_grpc.OrchestratorServiceServicer):
    """Every run is the caller's own and over after three events."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.audit_reads: list[tuple[str, str]] = []
        # Seconds that a start takes, so that requests are under way when the gateway is told to stop.
        self.slowness = 0.0
        # Set once BUSY starts were seen.
        self.busy = asyncio.Event()

    async def StartRun(self, request: Any, context: Any) -> Any:
        self.seen.append(request)
        if len(self.seen) >= BUSY:
            self.busy.set()
        await asyncio.sleep(self.slowness)
        return orchestrator_pb2.StartRunResponse(run=self._run("run-1", request.principal))

    async def GetRun(self, request: Any, context: Any) -> Any:
        if request.run_id == "none":
            raise AmasError(ErrorKind.NOT_FOUND, "RUN_NOT_FOUND", "There is no such run.")
        return orchestrator_pb2.GetRunResponse(run=self._run(request.run_id, request.principal))

    async def ListRuns(self, request: Any, context: Any) -> Any:
        return orchestrator_pb2.ListRunsResponse(runs=[self._run("run-1", request.principal)])

    async def CancelRun(self, request: Any, context: Any) -> Any:
        raise RuntimeError("database password is hunter2")

    async def WatchRun(self, request: Any, context: Any) -> AsyncIterator[Any]:
        for sequence in range(request.after_sequence + 1, 4):
            yield run_pb2.RunEvent(run_id=request.run_id, sequence=sequence)

    async def ListApprovals(self, request: Any, context: Any) -> Any:
        return orchestrator_pb2.ListApprovalsResponse()

    async def ApplyResources(self, request: Any, context: Any) -> Any:
        self.seen.append(request)
        return orchestrator_pb2.ApplyResourcesResponse()

    async def ListResources(self, request: Any, context: Any) -> Any:
        return orchestrator_pb2.ListResourcesResponse()

    async def GetBundle(self, request: Any, context: Any) -> Any:
        answer = orchestrator_pb2.GetBundleResponse(content=b"bundle of " + request.tenant.encode())
        answer.bundle.digest = DIGEST
        return answer

    async def AuthorizeAuditRead(self, request: Any, context: Any) -> Any:
        self.audit_reads.append((request.principal.subject, request.run_id))
        return orchestrator_pb2.AuthorizeAuditReadResponse()

    async def GetRevokedPrincipals(self, request: Any, context: Any) -> Any:
        return orchestrator_pb2.GetRevokedPrincipalsResponse(version=1)

    @staticmethod
    def _run(run_id: str, owner: Any) -> run_pb2.Run:
        return run_pb2.Run(id=run_id, tenant=owner.tenant, requester=owner.subject, state=run_pb2.RUN_STATE_SUCCEEDED)


class Router(router_pb2_grpc.RouterServiceServicer):
    """Knows no bundle until it is given one, and answers what it was asked."""

    def __init__(self) -> None:
        self.bundles: dict[str, bytes] = {}
        self.contexts: list[router_pb2.CallContext] = []

    async def LoadBundle(self, request: Any, context: Any) -> Any:
        self.bundles[request.digest] = request.content
        return router_pb2.LoadBundleResponse()

    def _called(self, request: Any) -> None:
        if request.context.bundle not in self.bundles:
            raise AmasError(ErrorKind.FAILED_PRECONDITION, "BUNDLE_UNKNOWN", "load it")
        self.contexts.append(request.context)

    async def Complete(self, request: Any, context: Any) -> Any:
        self._called(request)
        report = router_pb2.CallReport(call_id="c1", provider="p", model="m", attempts=1)
        return router_pb2.CompleteResponse(body=request.body, report=report)

    async def StreamComplete(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self._called(request)
        yield router_pb2.StreamCompleteResponse(chunk=b'{"n":1}')
        broken = router_pb2.StreamBroken(reason="PROVIDER_BROKE", message="broke")
        yield router_pb2.StreamCompleteResponse(broken=broken)

    async def Embed(self, request: Any, context: Any) -> Any:
        self._called(request)
        return router_pb2.EmbedResponse(body=request.body)

    async def ListModels(self, request: Any, context: Any) -> Any:
        self._called(request)
        return router_pb2.ListModelsResponse(models=[router_pb2.Model(id="default")])

    async def ListBudgets(self, request: Any, context: Any) -> Any:
        self._called(request)
        return router_pb2.ListBudgetsResponse(
            budgets=[router_pb2.BudgetState(name=request.name, subject=request.context.principal.subject)]
        )

    async def QueryUsage(self, request: Any, context: Any) -> Any:
        return router_pb2.QueryUsageResponse(
            rows=[router_pb2.UsageRow(run_id=request.run_id, calls=request.since.seconds)]
        )


class Audit(audit_pb2_grpc.AuditServiceServicer):
    """Keeps what is appended."""

    def __init__(self) -> None:
        self.events: list[audit_pb2.AuditEvent] = []
        self.appended = asyncio.Event()

    async def Append(self, request: Any, context: Any) -> Any:
        for event in request.events:
            assert misfit(event) is None
        self.events += request.events
        self.appended.set()
        return audit_pb2.AppendResponse()

    async def Query(self, request: Any, context: Any) -> Any:
        return audit_pb2.QueryResponse(entries=[audit_pb2.LogEntry(index=index) for index in range(2)])

    async def GetCheckpoint(self, request: Any, context: Any) -> Any:
        return audit_pb2.GetCheckpointResponse(checkpoint="note", verifier_key="key")

    async def Export(self, request: Any, context: Any) -> AsyncIterator[Any]:
        for part in (b"one", b"two"):
            yield audit_pb2.ExportChunk(data=part)


@dataclass
class Upstreams:
    """All of them, and where they listen."""

    orchestrator: Orchestrator = field(default_factory=Orchestrator)
    router: Router = field(default_factory=Router)
    audit: Audit = field(default_factory=Audit)
    issuer: TestIssuer = field(default_factory=TestIssuer)
    targets: dict[str, str] = field(default_factory=dict)
    issuer_url: str = ""

    def token(self, **claims: Any) -> str:
        """A good token of the served issuer."""
        return self.issuer.token(time.time(), iss=self.issuer_url, **claims)


def server_of(name: str, all_of: Upstreams, certificates: Any, listen: str = "127.0.0.1:0") -> GrpcServer:
    """A server of one of them that is not started yet."""
    add, descriptor, servicer = {
        "orchestrator": (
            orchestrator_pb2_grpc.add_OrchestratorServiceServicer_to_server,
            orchestrator_pb2.DESCRIPTOR.services_by_name["OrchestratorService"],
            all_of.orchestrator,
        ),
        "ai-router": (
            router_pb2_grpc.add_RouterServiceServicer_to_server,
            router_pb2.DESCRIPTOR.services_by_name["RouterService"],
            all_of.router,
        ),
        "audit": (
            audit_pb2_grpc.add_AuditServiceServicer_to_server,
            audit_pb2.DESCRIPTOR.services_by_name["AuditService"],
            all_of.audit,
        ),
    }[name]
    files = certificates.files(name)
    callers = {f"/{descriptor.full_name}/{method.name}": frozenset({"gateway"}) for method in descriptor.methods}
    return GrpcServer(
        listen,
        [GrpcService(descriptor.full_name, add, servicer)],
        [internal_interceptor("amas.internal", callers)],
        server_credentials(TlsFiles(files.cert, files.key, files.ca)),
    )


@asynccontextmanager
async def upstreams(certificates: Any) -> AsyncIterator[Upstreams]:
    """Serves all of them on loopback."""
    all_of = Upstreams()
    async with AsyncExitStack() as stack:
        for name in ("orchestrator", "ai-router", "audit"):
            server = server_of(name, all_of, certificates)
            await server.start()
            stack.push_async_callback(server.drain, 0.5)
            all_of.targets[name] = server.address
        all_of.issuer_url = await stack.enter_async_context(_issuer(all_of.issuer))
        yield all_of


@asynccontextmanager
async def _issuer(issuer: TestIssuer) -> AsyncIterator[str]:
    url = ""

    async def discovery(_request: web.Request) -> web.Response:
        return web.json_response({"issuer": url, "jwks_uri": f"{url}/jwks"})

    async def jwks(_request: web.Request) -> web.Response:
        issuer.asked += 1
        return web.json_response(issuer.published())

    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", discovery)
    app.router.add_get("/jwks", jwks)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield url
    await runner.cleanup()
