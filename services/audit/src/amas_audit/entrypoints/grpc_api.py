"""AuditService over gRPC: translates, hands to one use case, translates back. Errors and access are the server's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from amas.audit.v1 import audit_pb2, audit_pb2_grpc
from amas_chassis.identity import peer_service

from amas_audit.entrypoints.wire import (
    appended_to_wire,
    entry_to_wire,
    event_from_wire,
    filter_from_wire,
    subject_run_to_wire,
)
from amas_audit.usecases.append_events import AppendEvents
from amas_audit.usecases.erase_contents import EraseContents
from amas_audit.usecases.export_run import ExportRun
from amas_audit.usecases.find_subject import FindSubject
from amas_audit.usecases.get_checkpoint import GetCheckpoint
from amas_audit.usecases.get_proof import GetProof
from amas_audit.usecases.query_events import QueryEvents

SERVICE = "amas.audit.v1.AuditService"

# Who may call what; what is not here is refused.
CALLERS: dict[str, frozenset[str]] = {
    f"/{SERVICE}/Append": frozenset({"gateway", "orchestrator", "ai-router", "policy-sidecar"}),
    f"/{SERVICE}/Query": frozenset({"gateway", "policy-sidecar"}),
    f"/{SERVICE}/GetProof": frozenset({"gateway"}),
    # A checkpoint holds nothing of any tenant; the sidecar asks for it to know that the log answers.
    f"/{SERVICE}/GetCheckpoint": frozenset({"gateway", "policy-sidecar"}),
    f"/{SERVICE}/Export": frozenset({"gateway"}),
    f"/{SERVICE}/EraseContents": frozenset({"gateway"}),
    f"/{SERVICE}/FindSubject": frozenset({"gateway"}),
}

Context = grpc.aio.ServicerContext[Any, Any]


class AuditApi(audit_pb2_grpc.AuditServiceServicer):
    """The methods."""

    def __init__(
        self,
        *,
        append_events: AppendEvents,
        query_events: QueryEvents,
        get_proof: GetProof,
        get_checkpoint: GetCheckpoint,
        export_run: ExportRun,
        erase_contents: EraseContents,
        find_subject: FindSubject,
        verifier_key: Callable[[str], str],
    ) -> None:
        self._append_events = append_events
        self._query_events = query_events
        self._get_proof = get_proof
        self._get_checkpoint = get_checkpoint
        self._export_run = export_run
        self._erase_contents = erase_contents
        self._find_subject = find_subject
        self._verifier_key = verifier_key

    async def Append(  # noqa: N802 - the contract's name
        self, request: audit_pb2.AppendRequest, context: Context
    ) -> audit_pb2.AppendResponse:
        """Append; the answer comes after the commit."""
        events = tuple(event_from_wire(position, event) for position, event in enumerate(request.events))
        places = await self._append_events(events, source=peer_service(context), fencing_token=request.fencing_token)
        return audit_pb2.AppendResponse(events=[appended_to_wire(place) for place in places])

    async def Query(  # noqa: N802 - the contract's name
        self, request: audit_pb2.QueryRequest, context: Context
    ) -> audit_pb2.QueryResponse:
        """One page of a tenant's entries."""
        entries, token = await self._query_events(
            filter_from_wire(request),
            page_size=request.page_size,
            page_token=request.page_token,
            with_contents=request.contents,
        )
        return audit_pb2.QueryResponse(entries=[entry_to_wire(entry) for entry in entries], next_page_token=token)

    async def GetProof(  # noqa: N802 - the contract's name
        self, request: audit_pb2.GetProofRequest, context: Context
    ) -> audit_pb2.GetProofResponse:
        """Inclusion proof of one entry."""
        proof = await self._get_proof(request.tenant, request.index, request.tree_size)
        return audit_pb2.GetProofResponse(
            index=proof.index, tree_size=proof.head.size, hashes=proof.hashes, checkpoint=proof.head.note
        )

    async def GetCheckpoint(  # noqa: N802 - the contract's name
        self, request: audit_pb2.GetCheckpointRequest, context: Context
    ) -> audit_pb2.GetCheckpointResponse:
        """The newest signed head, and the key that verifies it."""
        head = await self._get_checkpoint()
        return audit_pb2.GetCheckpointResponse(checkpoint=head.note, verifier_key=self._verifier_key(head.note))

    async def EraseContents(  # noqa: N802 - the contract's name
        self, request: audit_pb2.EraseContentsRequest, context: Context
    ) -> audit_pb2.EraseContentsResponse:
        """Erase what is a subject's; the answer comes when it is gone."""
        erased = await self._erase_contents(
            request.tenant, request.subject, principal=request.principal, dry_run=request.dry_run
        )
        return audit_pb2.EraseContentsResponse(keys=erased.keys, contents=erased.contents, event_ids=erased.events)

    async def FindSubject(  # noqa: N802 - the contract's name
        self, request: audit_pb2.FindSubjectRequest, context: Context
    ) -> audit_pb2.FindSubjectResponse:
        """One page of the runs that hold a subject's contents."""
        runs, token, keys = await self._find_subject(
            request.tenant, request.subject, page_size=request.page_size, page_token=request.page_token
        )
        return audit_pb2.FindSubjectResponse(
            runs=[subject_run_to_wire(run) for run in runs],
            next_page_token=token,
            keys=[audit_pb2.SubjectKey(id=key.id, retention=key.retention, contents=key.contents) for key in keys],
        )

    async def Export(  # noqa: N802 - the contract's name
        self, request: audit_pb2.ExportRequest, context: Context
    ) -> AsyncIterator[audit_pb2.ExportChunk]:
        """The document of a run, in chunks."""
        async for chunk in self._export_run(request.tenant, request.run_id):
            yield audit_pb2.ExportChunk(data=chunk)
