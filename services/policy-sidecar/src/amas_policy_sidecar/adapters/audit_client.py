"""The audit service over gRPC: appends that are acknowledged or fail, and look-ups by id.

It must never treat an append as done without the acknowledgement, and never give up silently.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from amas.audit.v1 import audit_pb2, audit_pb2_grpc
from amas.common.v1 import label_pb2
from amas_chassis import telemetry
from amas_chassis.channels import Client
from amas_chassis.errors import AmasError, ErrorKind
from amas_chassis.retrying import asked_again
from amas_chassis.rpc_errors import from_rpc_error
from amas_governance.audit_events import event_types, joined, split
from amas_governance.labels import Integrity, Label
from opentelemetry import trace

from amas_policy_sidecar.domain.errors import unavailable
from amas_policy_sidecar.domain.model import Event
from amas_policy_sidecar.ports import AppendAnswer

if TYPE_CHECKING:
    from amas.audit.v1.audit_pb2_grpc import AuditServiceAsyncStub

# Tries of one request, and the pause after the first, in seconds (doubling): a restart of audit fits in between.
MAX_TRIES = 3
FIRST_PAUSE = 0.1
# Seconds that one try may take.
TIMEOUT = 3.0

_TRANSIENT = frozenset({ErrorKind.UNAVAILABLE, ErrorKind.DEADLINE_EXCEEDED, ErrorKind.RESOURCE_EXHAUSTED})
_Answer = TypeVar("_Answer")


def make_stub(channel: grpc.aio.Channel) -> AuditServiceAsyncStub:
    """The stub on an asynchronous channel; the generated class is typed for both kinds."""
    return audit_pb2_grpc.AuditServiceStub(channel)


class AuditClient:
    """The audit port on `amas.audit.v1`."""

    def __init__(self, client: Client[AuditServiceAsyncStub]) -> None:
        self._client = client
        # Compiled before anybody waits for it.
        event_types()

    async def append(self, events: Sequence[Event], *, fencing_token: int = 0) -> AppendAnswer:
        """Return once the events are committed, all or none; raises FAILED_PRECONDITION, reason FENCED."""
        request = audit_pb2.AppendRequest(events=[_to_wire(event) for event in events], fencing_token=fencing_token)
        try:
            answer = await _retried(lambda: self._client.stub.Append(request, timeout=TIMEOUT))
        except AmasError as error:
            if error.kind is ErrorKind.ALREADY_EXISTS:
                return AppendAnswer(recorded=False, duplicate=False)
            raise
        return AppendAnswer(recorded=True, duplicate=any(event.duplicate for event in answer.events))

    async def find(self, tenant: str, ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """The data of those events that the tenant has in the log, by id; what was erased of it is absent."""
        request = audit_pb2.QueryRequest(tenant=tenant, ids=ids, contents=True)
        answer = await _retried(lambda: self._client.stub.Query(request, timeout=TIMEOUT))
        return {entry.event.id: _data(entry.event) for entry in answer.entries}

    async def check(self) -> None:
        """Raise AmasError if audit does not answer."""
        try:
            await self._client.stub.GetCheckpoint(audit_pb2.GetCheckpointRequest(), timeout=TIMEOUT)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error


def delivery(audit: AuditClient) -> Callable[[Sequence[Event]], Awaitable[None]]:
    """What an outbox sends with: refused as a whole if any of the events stands in the log with other content."""

    async def deliver(events: Sequence[Event]) -> None:
        if not (await audit.append(events)).recorded:
            raise AmasError(ErrorKind.ALREADY_EXISTS, "EVENT_CONFLICT", "an event stands in the log with other content")

    return deliver


async def _retried(call: Callable[[], Awaitable[_Answer]]) -> _Answer:
    try:
        return await asked_again(call, tries=MAX_TRIES, first_pause=FIRST_PAUSE, transient=_TRANSIENT)
    except grpc.aio.AioRpcError as failure:
        error = from_rpc_error(failure)
        if error.kind not in _TRANSIENT:
            raise error from failure
        raise unavailable(
            "AUDIT_UNAVAILABLE",
            "the audit log does not answer: nothing is done without a record",
            retry_after=1.0,
        ) from failure


def _to_wire(event: Event) -> audit_pb2.AuditEvent:
    context = event.context
    trace_id, span_id = _trace(event)
    data, contents = split(event.type, event.data)
    wire = audit_pb2.AuditEvent(
        id=event.id,
        type=event.type,
        tenant=context.principal.tenant,
        run_id=context.run_id,
        step=context.step,
        trace_id=trace_id,
        span_id=span_id,
        principal=context.principal.subject,
        role=context.role,
        role_version=event.role_version,
        bundle=context.bundle,
        contents=[audit_pb2.Content(name=one.name, media_type=one.media_type, data=one.data) for one in contents],
        data_json=json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")),
    )
    wire.time.FromDatetime(event.time)
    said = event.data.get("label")
    if said or context.run_id:
        wire.label.CopyFrom(_label(Label.from_dict(said) if said else context.label))
    return wire


def _label(label: Label) -> label_pb2.Label:
    trusted = label.integrity is Integrity.TRUSTED
    return label_pb2.Label(
        confidentiality=label_pb2.Confidentiality.ValueType(label.confidentiality.value),
        categories=sorted(label.categories),
        integrity=label_pb2.INTEGRITY_TRUSTED if trusted else label_pb2.INTEGRITY_UNTRUSTED,
    )


def _trace(event: Event) -> tuple[str, str]:
    if not event.traceparent:
        return telemetry.current_ids()
    span = trace.get_current_span(telemetry.context_from_traceparent(event.traceparent)).get_span_context()
    return (f"{span.trace_id:032x}", f"{span.span_id:016x}") if span.is_valid else ("", "")


def _data(event: audit_pb2.AuditEvent) -> Mapping[str, Any]:
    value = json.loads(event.data_json) if event.data_json else {}
    # A content that is there has a salt, also where it is empty.
    contents = {content.name: content.data for content in event.contents if content.salt}
    return joined(event.type, value, contents) if isinstance(value, dict) else {}
