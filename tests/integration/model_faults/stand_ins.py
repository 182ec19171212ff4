"""Stand-ins for audit and policy over mutual TLS, which a test can take away and bring back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from amas.audit.v1 import audit_pb2, audit_pb2_grpc
from amas.common.v1 import decision_pb2
from amas.policy.v1 import policy_pb2, policy_pb2_grpc
from amas_chassis.errors import AmasError, ErrorKind
from amas_chassis.grpc_server import GrpcServer, GrpcService
from amas_chassis.interceptors import internal_interceptor
from amas_chassis.tls import TlsFiles, server_credentials
from google.protobuf.descriptor_pool import Default

from tests.audit_events import misfit


class Policy(policy_pb2_grpc.PolicyServiceServicer):
    """Allows all for bundles that it was given."""

    def __init__(self) -> None:
        self.bundles: set[str] = set()

    async def LoadBundle(self, request: Any, context: Any) -> Any:  # noqa: N802 - named by the contract
        """Takes a bundle."""
        self.bundles.add(request.digest)
        return policy_pb2.LoadBundleResponse()

    async def Decide(self, request: Any, context: Any) -> Any:  # noqa: N802 - named by the contract
        """Yes."""
        if request.context.bundle not in self.bundles:
            raise AmasError(ErrorKind.FAILED_PRECONDITION, "BUNDLE_UNKNOWN", "unknown")
        decision = decision_pb2.Decision(id="d", effect=decision_pb2.EFFECT_ALLOW)
        return policy_pb2.DecideResponse(decision=decision)

    async def GetRevocationsVersion(self, request: Any, context: Any) -> Any:  # noqa: N802 - named by the contract
        """Nothing is ever revoked."""
        return policy_pb2.GetRevocationsVersionResponse(version=1)


class Audit(audit_pb2_grpc.AuditServiceServicer):
    """Keeps events by id; the same id with other content is refused, as the real one does."""

    def __init__(self) -> None:
        self.events: dict[str, Any] = {}

    async def Append(self, request: Any, context: Any) -> Any:  # noqa: N802 - named by the contract
        """Keeps all or none."""
        for event in request.events:
            assert misfit(event) is None
            if self.events.get(event.id, event) != event:
                raise AmasError(ErrorKind.ALREADY_EXISTS, "EVENT_DIFFERS", "the same id with other content")
        self.events.update({event.id: event for event in request.events})
        return audit_pb2.AppendResponse()


def router_alone(name: str) -> grpc.aio.ServerInterceptor[Any, Any]:
    """The layers of a service that the ai-router alone may call, as plain calls and as frames."""
    methods = Default().FindServiceByName(name).methods
    return internal_interceptor("amas.internal", {f"/{name}/{one.name}": frozenset({"ai-router"}) for one in methods})


class StandIn:
    """One of them on a port that stays the same."""

    def __init__(self, files: Any, name: str, add: Callable[..., None], servicer: object) -> None:
        self._files = TlsFiles(files.cert, files.key, files.ca)
        self._service = GrpcService(name, add, servicer)
        self._server: GrpcServer | None = None
        self.address = "127.0.0.1:0"

    async def start(self) -> None:
        """Listens, again where it did before."""
        # Credentials end with their server.
        credentials = server_credentials(self._files)
        self._server = GrpcServer(self.address, [self._service], [router_alone(self._service.full_name)], credentials)
        await self._server.start()
        self.address = self._server.address

    async def stop(self) -> None:
        """Ends all connections at once."""
        if self._server is not None:
            await self._server.drain(0.0)
        self._server = None


def audit_stand_in(files: Any, servicer: Audit) -> StandIn:
    """The audit service."""
    return StandIn(files, "amas.audit.v1.AuditService", audit_pb2_grpc.add_AuditServiceServicer_to_server, servicer)


def policy_stand_in(files: Any, servicer: Policy) -> StandIn:
    """The policy-sidecar."""
    return StandIn(files, "amas.policy.v1.PolicyService", policy_pb2_grpc.add_PolicyServiceServicer_to_server, servicer)
