"""The audit log over gRPC: reading it, and writing down who read it."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TYPE_CHECKING

from amas.audit.v1 import audit_pb2 as pb
from amas.common.v1 import label_pb2
from amas_chassis import telemetry
from amas_chassis.channels import Client
from amas_chassis.clock import Clock
from amas_chassis.retrying import asked_again
from google.protobuf.timestamp_pb2 import Timestamp

from amas_gateway.domain import model
from amas_gateway.domain.model import Principal

from .times import timestamp
from .upstream import errors_of, stream_of

if TYPE_CHECKING:
    from amas.audit.v1.audit_pb2_grpc import AuditServiceAsyncStub


SERVICE = "audit"
CALL_TIMEOUT_SECONDS = 10.0
EXPORT_TIMEOUT_SECONDS = 300.0
ERASE_TIMEOUT_SECONDS = 60.0

READ = "dev.amas.audit.read"
DENIED = "dev.amas.access.denied"


class AuditLog:
    """Ports `AuditReader` and `AuditWriter`, and what the queue of refusals appends with."""

    def __init__(self, client: Client[AuditServiceAsyncStub], clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def query(self, tenant: str, query: model.AuditQuery) -> model.Page[object]:
        request = pb.QueryRequest(
            tenant=tenant,
            run_id=query.run_id,
            trace_id=query.trace_id,
            principal=query.principal,
            type=query.type,
            role=query.role,
            tool=query.tool,
            decision=query.decision,
            confidentiality=label_pb2.Confidentiality.ValueType(query.confidentiality),
            categories=query.categories,
            integrity=label_pb2.Integrity.ValueType(query.integrity),
            source=query.source,
            newest_first=query.newest_first,
            contents=query.contents,
            page_size=query.page.size,
            page_token=query.page.token,
        )
        for name, text in (("since", query.since), ("until", query.until)):
            if text:
                getattr(request, name).CopyFrom(timestamp(name, text))
        with errors_of(SERVICE):
            answer = await asked_again(lambda: self._client.stub.Query(request, timeout=CALL_TIMEOUT_SECONDS))
        return model.Page(answer.entries, answer.next_page_token)

    async def checkpoint(self) -> model.Checkpoint:
        with errors_of(SERVICE):
            answer = await asked_again(
                lambda: self._client.stub.GetCheckpoint(pb.GetCheckpointRequest(), timeout=CALL_TIMEOUT_SECONDS)
            )
        return model.Checkpoint(answer.checkpoint, answer.verifier_key)

    async def find_subject(self, tenant: str, subject: str, page: model.PageQuery) -> model.SubjectPage:
        request = pb.FindSubjectRequest(tenant=tenant, subject=subject, page_size=page.size, page_token=page.token)
        with errors_of(SERVICE):
            answer = await self._client.stub.FindSubject(request, timeout=CALL_TIMEOUT_SECONDS)
        return model.SubjectPage(answer.runs, answer.next_page_token, answer.keys, [key.id for key in answer.keys])

    async def erase(self, principal: Principal, subject: str, *, dry_run: bool) -> model.Erasure:
        request = pb.EraseContentsRequest(
            tenant=principal.tenant, subject=subject, principal=principal.subject, dry_run=dry_run
        )
        with errors_of(SERVICE):
            answer = await asked_again(lambda: self._client.stub.EraseContents(request, timeout=ERASE_TIMEOUT_SECONDS))
        return model.Erasure(answer.keys, answer.contents, tuple(answer.event_ids))

    async def export(self, tenant: str, run_id: str) -> AsyncGenerator[bytes]:
        request = pb.ExportRequest(tenant=tenant, run_id=run_id)
        chunks = self._client.stub.Export(request, timeout=EXPORT_TIMEOUT_SECONDS)
        with stream_of(SERVICE, chunks):
            async for chunk in chunks:
                yield chunk.data

    async def read_happened(
        self, principal: Principal, what: str, filters: Mapping[str, object], count: int | None = None
    ) -> None:
        data: dict[str, object] = {"what": what, "filters": filters}
        if count is not None:
            data["count"] = count
        event = self.event(
            READ,
            principal.tenant,
            principal.subject,
            telemetry.current_trace_id(),
            data,
        )
        await self.append([event])

    def event(self, kind: str, tenant: str, principal: str, trace_id: str, data: Mapping[str, object]) -> pb.AuditEvent:
        """An event of the gateway with a new id and the present time."""
        time = Timestamp()
        time.FromDatetime(self._clock.now())
        return pb.AuditEvent(
            id=f"gateway:{uuid.uuid4()}",
            type=kind,
            time=time,
            tenant=tenant,
            trace_id=trace_id,
            principal=principal,
            data_json=json.dumps(data, sort_keys=True, separators=(",", ":")),
        )

    async def append(self, events: Sequence[pb.AuditEvent]) -> None:
        """Returns when the events are committed."""
        with errors_of(SERVICE):
            await asked_again(
                lambda: self._client.stub.Append(pb.AppendRequest(events=events), timeout=CALL_TIMEOUT_SECONDS)
            )
