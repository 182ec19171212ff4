"""amas.gateway.v1.AuditService: translates, asks one use case, translates back."""

# ruff: noqa: N802 - the contract names the methods.
from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from amas.audit.v1 import audit_pb2
from amas.gateway.v1 import gateway_pb2 as pb
from amas.gateway.v1 import gateway_pb2_grpc as rpc
from google.protobuf.timestamp_pb2 import Timestamp

from amas_gateway.domain.authorization import Action
from amas_gateway.domain.errors import invalid
from amas_gateway.domain.model import AuditQuery, Page, PageQuery

from .grpc_calls import Calls, Context, carried_as


class AuditServicer(rpc.AuditServiceServicer):
    """amas.gateway.v1.AuditService."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._verbs = calls.verbs

    async def QueryEvents(self, request: pb.QueryEventsRequest, context: Context) -> pb.QueryEventsResponse:
        principal = await self._calls.admit(context, Action.AUDIT_READ)
        return _response(await self._verbs.read_audit.query(principal, _query(request)))

    async def StreamEvents(
        self, request: pb.StreamEventsRequest, context: Context
    ) -> AsyncIterator[pb.QueryEventsResponse]:
        principal = await self._calls.admit(context, Action.AUDIT_READ)
        with self._verbs.hold_stream(principal):
            async with aclosing(self._verbs.read_audit.stream(principal, _query(request.query))) as pages:
                async for page in pages:
                    yield _response(page)

    async def FindSubject(self, request: pb.FindSubjectRequest, context: Context) -> pb.FindSubjectResponse:
        principal = await self._calls.admit(context, Action.AUDIT_READ)
        page = PageQuery(request.page_size, request.page_token)
        found = await self._verbs.find_subject(principal, request.subject, page)
        return pb.FindSubjectResponse(
            runs=[carried_as(audit_pb2.SubjectRun, run) for run in found.runs],
            next_page_token=found.next_page_token,
            keys=[carried_as(audit_pb2.SubjectKey, key) for key in found.keys],
        )

    async def EraseContents(self, request: pb.EraseContentsRequest, context: Context) -> pb.EraseContentsResponse:
        principal = await self._calls.admit(context, Action.AUDIT_ERASE)
        erased = await self._verbs.erase_contents(principal, request.subject, dry_run=request.dry_run)
        return pb.EraseContentsResponse(keys=erased.keys, contents=erased.contents, event_ids=erased.event_ids)

    async def GetCheckpoint(self, request: pb.GetCheckpointRequest, context: Context) -> pb.GetCheckpointResponse:
        head = await self._verbs.read_audit.checkpoint(await self._calls.admit(context, Action.AUDIT_READ))
        return pb.GetCheckpointResponse(checkpoint=head.checkpoint, verifier_key=head.verifier_key)


def _query(request: pb.QueryEventsRequest) -> AuditQuery:
    return AuditQuery(
        run_id=request.run_id,
        trace_id=request.trace_id,
        principal=request.principal,
        type=request.type,
        role=request.role,
        tool=request.tool,
        decision=request.decision,
        confidentiality=request.confidentiality,
        categories=tuple(sorted(set(request.categories))),
        integrity=request.integrity,
        source=request.source,
        since=_time("since", request.since) if request.HasField("since") else "",
        until=_time("until", request.until) if request.HasField("until") else "",
        newest_first=request.newest_first,
        contents=request.contents,
        page=PageQuery(request.page_size, request.page_token),
    )


def _time(name: str, time: Timestamp) -> str:
    try:
        return time.ToJsonString()
    except ValueError as error:
        raise invalid(name, "must be a time from year 1 to 9999") from error


def _response(page: Page[object]) -> pb.QueryEventsResponse:
    return pb.QueryEventsResponse(
        entries=[carried_as(audit_pb2.LogEntry, entry) for entry in page.items], next_page_token=page.next_page_token
    )
