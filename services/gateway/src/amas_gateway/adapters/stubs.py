"""Makes the generated stubs on asynchronous channels; the types of those exist in the type stubs alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from amas.audit.v1 import audit_pb2_grpc
from amas.orchestrator.v1 import orchestrator_pb2_grpc
from amas.router.v1 import router_pb2_grpc

if TYPE_CHECKING:
    from amas.audit.v1.audit_pb2_grpc import AuditServiceAsyncStub
    from amas.orchestrator.v1.orchestrator_pb2_grpc import OrchestratorServiceAsyncStub
    from amas.router.v1.router_pb2_grpc import RouterServiceAsyncStub


def orchestrator(channel: grpc.aio.Channel) -> OrchestratorServiceAsyncStub:
    """The orchestrator's stub."""
    return orchestrator_pb2_grpc.OrchestratorServiceStub(channel)


def router(channel: grpc.aio.Channel) -> RouterServiceAsyncStub:
    """The ai-router's stub."""
    return router_pb2_grpc.RouterServiceStub(channel)


def audit(channel: grpc.aio.Channel) -> AuditServiceAsyncStub:
    """The audit service's stub."""
    return audit_pb2_grpc.AuditServiceStub(channel)
