"""The audit service over gRPC. An append that is not acknowledged did not happen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import grpc
import orjson
from amas.audit.v1 import audit_pb2, audit_pb2_grpc
from amas.common.v1 import label_pb2
from amas_chassis.batching import Batcher
from amas_chassis.channels import Client
from amas_chassis.errors import AmasError, ErrorKind
from amas_chassis.retrying import asked_again
from amas_chassis.rpc_errors import from_rpc_error
from amas_governance.audit_events import event_types, split
from amas_governance.labels import Integrity, Label

from amas_ai_router.domain.errors import FENCED, fenced, unavailable
from amas_ai_router.domain.records import AuditEvent

if TYPE_CHECKING:
    from amas.audit.v1.audit_pb2_grpc import AuditServiceAsyncStub

REFUSED = "AUDIT_REFUSED"
# Events in one request, requests under way at once, and the size (characters) from which an event goes by itself.
MAX_BATCH = 128
LANES = 2
MAX_SHARED_BYTES = 16 * 1024


def make_stub(channel: grpc.aio.Channel) -> AuditServiceAsyncStub:
    """The stub on an asynchronous channel."""
    return audit_pb2_grpc.AuditServiceStub(channel)


class AuditClient:
    """See ports.AuditLog."""

    def __init__(self, client: Client[AuditServiceAsyncStub], *, timeout: float) -> None:
        self._client = client
        # Compiled before anybody waits for it.
        event_types()
        self._timeout = timeout
        self._alone: Batcher[audit_pb2.AuditEvent, None] = Batcher(self._append_all, most=MAX_BATCH, lanes=LANES)

    async def append(self, event: AuditEvent, fencing_token: int = 0) -> None:
        """See ports.AuditLog."""
        message = _message(event)
        if fencing_token or len(event.data_json) > MAX_SHARED_BYTES:
            await self._append([message], fencing_token)
        else:
            await self._alone.put(message)

    async def deliver(self, events: Sequence[AuditEvent]) -> None:
        """For the outbox: append all or none. Raises AmasError as audit gives it: what may pass is tried again."""
        request = audit_pb2.AppendRequest(events=[_message(event) for event in events])
        try:
            await self._client.stub.Append(request, timeout=self._timeout)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error

    async def _append_all(self, events: Sequence[audit_pb2.AuditEvent]) -> Sequence[Exception | None]:
        """Events of many calls in one request; if it is refused, each by itself, so that none spoils another."""
        try:
            await self._append(events, 0)
        except AmasError as error:
            if len(events) == 1 or error.reason != REFUSED:
                raise
            return [await self._append_one(event) for event in events]
        return [None] * len(events)

    async def _append_one(self, event: audit_pb2.AuditEvent) -> Exception | None:
        try:
            await self._append([event], 0)
        except AmasError as error:
            return error
        return None

    async def _append(self, events: Sequence[audit_pb2.AuditEvent], fencing_token: int) -> None:
        request = audit_pb2.AppendRequest(events=events, fencing_token=fencing_token)
        try:
            await asked_again(lambda: self._client.stub.Append(request, timeout=self._timeout))
        except grpc.aio.AioRpcError as error:
            refusal = from_rpc_error(error)
            if refusal.reason == FENCED:
                raise fenced() from error
            if refusal.kind in (ErrorKind.UNAVAILABLE, ErrorKind.DEADLINE_EXCEEDED):
                raise unavailable("AUDIT_UNAVAILABLE", "the audit log does not answer") from error
            raise unavailable(REFUSED, f"the audit log refused the record: {refusal.reason}") from error


def _message(event: AuditEvent) -> audit_pb2.AuditEvent:
    data, said = split(event.type, orjson.loads(event.data_json))
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
        data_json=orjson.dumps(data).decode(),
        contents=[audit_pb2.Content(name=one.name, media_type=one.media_type, data=one.data) for one in said],
    )
    message.time.FromDatetime(event.time)
    if label := data.get("label"):
        message.label.CopyFrom(_label(Label.from_dict(label)))
    return message


def _label(label: Label) -> label_pb2.Label:
    trusted = label.integrity is Integrity.TRUSTED
    return label_pb2.Label(
        confidentiality=label_pb2.Confidentiality.ValueType(label.confidentiality.value),
        categories=sorted(label.categories),
        integrity=label_pb2.INTEGRITY_TRUSTED if trusted else label_pb2.INTEGRITY_UNTRUSTED,
    )
