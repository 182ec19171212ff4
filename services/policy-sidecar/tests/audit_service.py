"""An audit service over real gRPC with the contract's semantics, in memory: what the sidecar is held against here."""

from __future__ import annotations

import asyncio
from typing import Any

from amas.audit.v1 import audit_pb2, audit_pb2_grpc
from amas_chassis.errors import AmasError, ErrorKind
from amas_chassis.grpc_server import GrpcServer, GrpcService
from amas_chassis.interceptors import internal_interceptor
from amas_chassis.tls import TlsFiles, server_credentials

from tests.audit_events import misfit

_NAME = "amas.audit.v1.AuditService"
_CALLERS = {f"/{_NAME}/{method}": frozenset({"policy-sidecar"}) for method in ("Append", "Query", "GetCheckpoint")}


class AuditService(audit_pb2_grpc.AuditServiceServicer):
    """Keeps events by tenant and id."""

    def __init__(self) -> None:
        self.events: dict[tuple[str, str], audit_pb2.AuditEvent] = {}
        self.away = False
        self.appended = asyncio.Event()

    def types(self) -> list[str]:
        return [event.type for event in self.events.values()]

    async def Append(self, request: audit_pb2.AppendRequest, context: Any) -> audit_pb2.AppendResponse:  # noqa: N802
        self._refuse_if_away()
        answer = audit_pb2.AppendResponse()
        for event in request.events:
            known = self.events.get((event.tenant, event.id))
            assert misfit(event) is None
            if known is not None and _said(known) != _said(event):
                raise AmasError(ErrorKind.ALREADY_EXISTS, "EVENT_CONFLICT", "the id is taken")
            answer.events.add(id=event.id, duplicate=known is not None)
        for event in request.events:
            for content in event.contents:
                content.salt = bytes(32)
            self.events.setdefault((event.tenant, event.id), event)
        self.appended.set()
        return answer

    async def Query(self, request: audit_pb2.QueryRequest, context: Any) -> audit_pb2.QueryResponse:  # noqa: N802
        self._refuse_if_away()
        found = [self.events.get((request.tenant, name)) for name in request.ids]
        return audit_pb2.QueryResponse(entries=[audit_pb2.LogEntry(event=event) for event in found if event])

    async def GetCheckpoint(self, request: Any, context: Any) -> audit_pb2.GetCheckpointResponse:  # noqa: N802
        self._refuse_if_away()
        return audit_pb2.GetCheckpointResponse()

    def _refuse_if_away(self) -> None:
        if self.away:
            raise AmasError(ErrorKind.UNAVAILABLE, "TEST", "away")


def _said(event: audit_pb2.AuditEvent) -> tuple[str, list[tuple[str, bytes]]]:
    return event.data_json, [(content.name, content.data) for content in event.contents]


async def serve_audit(service: AuditService, tls: TlsFiles) -> GrpcServer:
    """The service on a port of 127.0.0.1, for the policy-sidecar alone."""
    add = audit_pb2_grpc.add_AuditServiceServicer_to_server
    server = GrpcServer(
        "127.0.0.1:0",
        [GrpcService(_NAME, add, service)],
        [internal_interceptor("amas.internal", _CALLERS)],
        server_credentials(tls),
    )
    await server.start()
    return server
