"""Starts and stops the fake neighbours of the orchestrator, at addresses that they keep."""

from __future__ import annotations

import asyncio
from typing import Any

from amas.audit.v1 import audit_pb2, audit_pb2_grpc
from amas.policy.v1 import policy_pb2, policy_pb2_grpc
from amas.router.v1 import router_pb2, router_pb2_grpc
from amas_chassis.grpc_server import GrpcServer, GrpcService
from amas_chassis.interceptors import internal_interceptor
from amas_chassis.tls import TlsFiles, server_credentials

from .fake_services import FakeAudit, FakePolicy, FakeRouter, Fakes


class Neighbours:
    """Audit, policy-sidecar and ai-router over gRPC with mutual TLS, for the orchestrator alone."""

    def __init__(self, fakes: Fakes, certificates: Any) -> None:
        self.fakes = fakes
        self.addresses: dict[str, str] = {}
        self._certificates = certificates
        self._servers: list[GrpcServer] = []

    async def start(self) -> None:
        """Starts all three; the second time where they were the first time."""
        for name, contract, add, servicer in (
            ("audit", audit_pb2, audit_pb2_grpc.add_AuditServiceServicer_to_server, FakeAudit(self.fakes)),
            ("policy-sidecar", policy_pb2, policy_pb2_grpc.add_PolicyServiceServicer_to_server, FakePolicy(self.fakes)),
            ("ai-router", router_pb2, router_pb2_grpc.add_RouterServiceServicer_to_server, FakeRouter(self.fakes)),
        ):
            service = next(iter(contract.DESCRIPTOR.services_by_name.values()))
            callers = {f"/{service.full_name}/{m.name}": frozenset({"orchestrator"}) for m in service.methods}
            server = GrpcServer(
                self.addresses.get(name, "127.0.0.1:0"),
                [GrpcService(service.full_name, add, servicer)],
                [internal_interceptor("amas.internal", callers)],
                server_credentials(tls_files(self._certificates, name)),
            )
            await server.start()
            self.addresses[name] = server.address
            self._servers.append(server)

    async def stop(self) -> None:
        """Stops all three."""
        servers, self._servers = self._servers, []
        await asyncio.gather(*(server.drain(0.1) for server in servers))


def tls_files(certificates: Any, name: str) -> TlsFiles:
    """The certificate of a service, from the tests' authority."""
    files = certificates.files(name)
    return TlsFiles(cert=files.cert, key=files.key, ca=files.ca)
