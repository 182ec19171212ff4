"""The audit log. AuditLog over gRPC: waits for the acknowledgement, and never takes an event for written without it."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import grpc
from amas.audit.v1 import audit_pb2, audit_pb2_grpc
from amas_chassis.channels import Client
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.audit_events import event_types, split
from amas_governance.canonical import canonical_json
from amas_governance.labels import Label

from amas_orchestrator.domain.events import AuditRecord
from amas_orchestrator.domain.model import Principal, Run

from .bundle_push import called
from .wire import label_message

if TYPE_CHECKING:
    from amas.audit.v1.audit_pb2_grpc import AuditServiceAsyncStub


def make_stub(channel: grpc.aio.Channel) -> AuditServiceAsyncStub:
    """The stub on an asynchronous channel."""
    return audit_pb2_grpc.AuditServiceStub(channel)


_log = logging.getLogger(__name__)

APPEND_SECONDS = 10.0
MAX_EVENTS = 256
# Contents that a log of the release before does not take. While both are there during an upgrade, a record without them
# is better than a run that fails; nothing that was recorded before is ever left out.
NEW_CONTENTS = frozenset({("dev.amas.step.started", "input")})
# Reason of a log that has the entry of an id in its archive alone. A run that waits for weeks says again, when it is
# taken over, what it said at its start.
EVENT_ARCHIVED = "EVENT_ARCHIVED"
_UNKNOWN_CONTENT = re.compile(r"events\[\d+\]\.contents\[\d+\]\.name")


class AuditClient:
    """AuditLog."""

    def __init__(self, client: Client[AuditServiceAsyncStub]) -> None:
        self._client = client
        # Compiled before anybody waits for it.
        event_types()

    async def append(self, run: Run, records: Sequence[AuditRecord], fencing_token: int) -> None:
        """See AuditLog."""
        events = [_event(record, run.principal, run.bundle, run) for record in records]
        for start in range(0, len(events), MAX_EVENTS):
            await self._append(events[start : start + MAX_EVENTS], fencing_token)

    async def append_for_tenant(self, principal: Principal, record: AuditRecord, bundle: str) -> None:
        """See AuditLog."""
        await self._append([_event(record, principal, bundle, None)], 0)

    async def _append(self, events: list[audit_pb2.AuditEvent], fencing_token: int) -> None:
        try:
            await self._send(events, fencing_token)
        except AmasError as error:
            if _is_of_before(error) and (older := [_without_new(event) for event in events]) != events:
                _log.warning("the audit log is of an older release: what steps are given is not put on record")
                return await self._append(older, fencing_token)
            if error.kind is not ErrorKind.ALREADY_EXISTS and error.reason != EVENT_ARCHIVED:
                raise
            if len(events) == 1:
                # The first to write an id is right; only a time or a name of another version can differ.
                _log.warning(
                    "an audit event stands in the log already", extra={"event": events[0].id, "reason": error.reason}
                )
                return None
            for event in events:
                await self._append([event], fencing_token)

    async def _send(self, events: list[audit_pb2.AuditEvent], fencing_token: int) -> None:
        request = audit_pb2.AppendRequest(events=events, fencing_token=fencing_token)
        response = await called(lambda: self._client.stub.Append(request, timeout=APPEND_SECONDS))
        if [event.id for event in response.events] != [event.id for event in events]:
            raise AmasError(ErrorKind.INTERNAL, "AUDIT_ANSWER_ODD", "audit acknowledged other events than were sent")


def _is_of_before(error: AmasError) -> bool:
    """Whether the log has refused a content that it does not know."""
    return error.reason == "EVENT_INVALID" and any(_UNKNOWN_CONTENT.fullmatch(one.field) for one in error.violations)


def _without_new(event: audit_pb2.AuditEvent) -> audit_pb2.AuditEvent:
    older = audit_pb2.AuditEvent()
    older.CopyFrom(event)
    del older.contents[:]
    older.contents.extend(one for one in event.contents if (event.type, one.name) not in NEW_CONTENTS)
    return older


def _event(record: AuditRecord, principal: Principal, bundle: str, run: Run | None) -> audit_pb2.AuditEvent:
    data, said = split(record.type, record.data)
    message = audit_pb2.AuditEvent(
        id=record.id,
        type=record.type,
        tenant=principal.tenant,
        run_id=run.id if run else "",
        step=record.step,
        trace_id=run.trace_id if run else "",
        principal=principal.subject,
        role=record.role,
        role_version=record.role_version,
        bundle=bundle,
        data_json=canonical_json(data).decode(),
        contents=[audit_pb2.Content(name=one.name, media_type=one.media_type, data=one.data) for one in said],
    )
    message.time.FromDatetime(record.time)
    if label := record.data.get("label"):
        message.label.CopyFrom(label_message(Label.from_dict(label)))
    return message
