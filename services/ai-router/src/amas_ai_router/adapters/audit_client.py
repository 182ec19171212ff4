"""The audit service over gRPC. An append that is not acknowledged did not happen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from amas.audit.v1 import audit_pb2, audit_pb2_grpc
from amas_chassis.channels import Client
from amas_chassis.errors import ErrorKind
from amas_chassis.rpc_errors import from_rpc_error

from amas_ai_router.domain.errors import FENCED, fenced, unavailable
from amas_ai_router.domain.records import AuditEvent

if TYPE_CHECKING:
    from amas.audit.v1.audit_pb2_grpc import AuditServiceAsyncStub


def make_stub(channel: grpc.aio.Channel) -> AuditServiceAsyncStub:
    """The stub on an asynchronous channel."""
    return audit_pb2_grpc.AuditServiceStub(channel)


class AuditClient:
    """See ports.AuditLog."""

    def __init__(self, client: Client[AuditServiceAsyncStub], *, timeout: float) -> None:
        self._client = client
        self._timeout = timeout

    async def append(self, event: AuditEvent, fencing_token: int = 0) -> None:
        """See ports.AuditLog."""
        message = audit_pb2.AuditEvent(
            id=event.id,
            type=event.type,
            tenant=event.tenant,
            run_id=event.run_id,
            step=event.step,
            trace_id=event.trace_id,
            span_id=event.span_id,
            principal=event.principal,
            role=event.role,
            role_version=event.role_version,
            bundle=event.bundle,
            data_json=event.data_json,
        )
        message.time.FromDatetime(event.time)
        request = audit_pb2.AppendRequest(events=[message], fencing_token=fencing_token)
        try:
            await self._client.stub.Append(request, timeout=self._timeout)
        except grpc.aio.AioRpcError as error:
            refusal = from_rpc_error(error)
            if refusal.reason == FENCED:
                raise fenced() from error
            if refusal.kind in (ErrorKind.UNAVAILABLE, ErrorKind.DEADLINE_EXCEEDED):
                raise unavailable("AUDIT_UNAVAILABLE", "the audit log does not answer") from error
            raise unavailable("AUDIT_REFUSED", f"the audit log refused the record: {refusal.reason}") from error
