"""The orchestrator over gRPC: runs, approvals, resources. Messages go through as they are."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import cast

from amas.common.v1 import resource_pb2
from amas.common.v1.approval_pb2 import ApprovalState
from amas.common.v1.run_pb2 import RunState
from amas.orchestrator.v1 import orchestrator_pb2 as pb

from amas_gateway.domain import model
from amas_gateway.domain.model import Principal

from .identity_wire import to_wire
from .orchestrator_calls import SERVICE, OrchestratorCalls
from .upstream import stream_of

CALL_TIMEOUT_SECONDS = 10.0
# Applying compiles nothing, but checks every resource of the tenant; describing asks a live tool server.
SLOW_CALL_TIMEOUT_SECONDS = 60.0
# A watch is begun again after this long, so that no stream lives for ever on one channel.
WATCH_TIMEOUT_SECONDS = 3600.0


class OrchestratorRuns:
    """Port `Runs`."""

    def __init__(self, orchestrator: OrchestratorCalls) -> None:
        self._orchestrator = orchestrator

    async def start(
        self, principal: Principal, orchestration: str, input_json: str, idempotency_key: str
    ) -> model.Started:
        request = pb.StartRunRequest(
            principal=to_wire(principal),
            orchestration=orchestration,
            input_json=input_json,
            idempotency_key=idempotency_key,
        )
        answer = await self._orchestrator.ask(
            principal.tenant, lambda stub: stub.StartRun(request, timeout=CALL_TIMEOUT_SECONDS)
        )
        return model.Started(answer.run, answer.existed)

    async def get(self, principal: Principal, run_id: str) -> model.Run:
        request = pb.GetRunRequest(principal=to_wire(principal), run_id=run_id)
        answer = await self._orchestrator.ask(
            principal.tenant, lambda stub: stub.GetRun(request, timeout=CALL_TIMEOUT_SECONDS)
        )
        return answer.run

    async def list(
        self, principal: Principal, orchestration: str, state: int, page: model.PageQuery
    ) -> model.Page[model.Run]:
        request = pb.ListRunsRequest(
            principal=to_wire(principal),
            orchestration=orchestration,
            state=cast("RunState.ValueType", state),
            page_size=page.size,
            page_token=page.token,
        )
        answer = await self._orchestrator.ask(
            principal.tenant, lambda stub: stub.ListRuns(request, timeout=CALL_TIMEOUT_SECONDS)
        )
        return model.Page(answer.runs, answer.next_page_token)

    async def cancel(self, principal: Principal, run_id: str, reason: str) -> model.Run:
        request = pb.CancelRunRequest(principal=to_wire(principal), run_id=run_id, reason=reason)
        answer = await self._orchestrator.ask(
            principal.tenant, lambda stub: stub.CancelRun(request, timeout=CALL_TIMEOUT_SECONDS)
        )
        return answer.run

    async def watch(self, principal: Principal, run_id: str, after: int) -> AsyncGenerator[model.RunEvent]:
        request = pb.WatchRunRequest(principal=to_wire(principal), run_id=run_id, after_sequence=after)
        events = self._orchestrator.stub.WatchRun(request, timeout=WATCH_TIMEOUT_SECONDS)
        with self._orchestrator.hold.wanted(), stream_of(SERVICE, events):
            async for event in events:
                yield event


class OrchestratorAuditAuthority:
    """Port `AuditAuthority`."""

    def __init__(self, orchestrator: OrchestratorCalls) -> None:
        self._orchestrator = orchestrator

    async def authorize_read(self, principal: Principal, run_id: str) -> None:
        request = pb.AuthorizeAuditReadRequest(principal=to_wire(principal), run_id=run_id)
        await self._orchestrator.ask(
            principal.tenant, lambda stub: stub.AuthorizeAuditRead(request, timeout=CALL_TIMEOUT_SECONDS)
        )

    async def authorize_subject_search(self, principal: Principal) -> None:
        request = pb.AuthorizeSubjectSearchRequest(principal=to_wire(principal))
        await self._orchestrator.ask(
            principal.tenant, lambda stub: stub.AuthorizeSubjectSearch(request, timeout=CALL_TIMEOUT_SECONDS)
        )

    async def authorize_erasure(self, principal: Principal) -> None:
        request = pb.AuthorizeErasureRequest(principal=to_wire(principal))
        await self._orchestrator.ask(
            principal.tenant, lambda stub: stub.AuthorizeErasure(request, timeout=CALL_TIMEOUT_SECONDS)
        )


class OrchestratorApprovals:
    """Port `Approvals`."""

    def __init__(self, orchestrator: OrchestratorCalls) -> None:
        self._orchestrator = orchestrator

    async def get(self, principal: Principal, approval_id: str) -> model.Approval:
        request = pb.GetApprovalRequest(principal=to_wire(principal), approval_id=approval_id)
        answer = await self._orchestrator.ask(
            principal.tenant, lambda stub: stub.GetApproval(request, timeout=CALL_TIMEOUT_SECONDS)
        )
        return answer.approval

    async def list(
        self, principal: Principal, run_id: str, state: int, page: model.PageQuery
    ) -> model.Page[model.Approval]:
        request = pb.ListApprovalsRequest(
            principal=to_wire(principal),
            run_id=run_id,
            state=cast("ApprovalState.ValueType", state),
            page_size=page.size,
            page_token=page.token,
        )
        answer = await self._orchestrator.ask(
            principal.tenant, lambda stub: stub.ListApprovals(request, timeout=CALL_TIMEOUT_SECONDS)
        )
        return model.Page(answer.approvals, answer.next_page_token)

    async def decide(self, principal: Principal, verdict: model.Verdict) -> model.Approval:
        request = pb.DecideApprovalRequest(
            principal=to_wire(principal),
            approval_id=verdict.approval_id,
            approve=verdict.approve,
            reason=verdict.reason,
            action_digest=verdict.action_digest,
            rendering_digest=verdict.rendering_digest,
            edited_arguments_json=verdict.edited_arguments_json,
        )
        answer = await self._orchestrator.ask(
            principal.tenant, lambda stub: stub.DecideApproval(request, timeout=CALL_TIMEOUT_SECONDS)
        )
        return answer.approval

    async def preview_edit(self, principal: Principal, approval_id: str, arguments_json: str) -> object:
        request = pb.PreviewEditRequest(
            principal=to_wire(principal), approval_id=approval_id, arguments_json=arguments_json
        )
        return await self._orchestrator.ask(
            principal.tenant, lambda stub: stub.PreviewEdit(request, timeout=CALL_TIMEOUT_SECONDS)
        )


class OrchestratorResources:
    """Port `Resources`."""

    def __init__(self, orchestrator: OrchestratorCalls) -> None:
        self._orchestrator = orchestrator

    async def apply(
        self,
        principal: Principal,
        files: Sequence[model.SourceFile],
        delete: Sequence[model.ResourceRef],
        dry_run: bool,
    ) -> model.Applied:
        request = pb.ApplyResourcesRequest(
            principal=to_wire(principal),
            files=[resource_pb2.ResourceFile(name=file.name, content=file.content) for file in files],
            delete=[resource_pb2.ResourceRef(kind=ref.kind, name=ref.name) for ref in delete],
            dry_run=dry_run,
        )
        return await self._orchestrator.ask(
            principal.tenant, lambda stub: stub.ApplyResources(request, timeout=SLOW_CALL_TIMEOUT_SECONDS)
        )

    async def list(
        self, principal: Principal, kind: str, name: str, page: model.PageQuery
    ) -> model.Page[model.Resource]:
        request = pb.ListResourcesRequest(
            principal=to_wire(principal), kind=kind, name=name, page_size=page.size, page_token=page.token
        )
        answer = await self._orchestrator.ask(
            principal.tenant, lambda stub: stub.ListResources(request, timeout=CALL_TIMEOUT_SECONDS)
        )
        bundle = answer.bundle if answer.HasField("bundle") else None
        return model.Page(answer.resources, answer.next_page_token, bundle)

    async def describe_tool_server(self, principal: Principal, server: str) -> object:
        request = pb.DescribeToolServerRequest(principal=to_wire(principal), server=server)
        return await self._orchestrator.ask(
            principal.tenant, lambda stub: stub.DescribeToolServer(request, timeout=SLOW_CALL_TIMEOUT_SECONDS)
        )

    async def content(self, tenant: str, digest: str) -> bytes:
        """See ports.PastBundles."""
        request = pb.GetBundleRequest(tenant=tenant, digest=digest)
        answer = await self._orchestrator.ask(
            tenant, lambda stub: stub.GetBundle(request, timeout=SLOW_CALL_TIMEOUT_SECONDS)
        )
        return bytes(answer.content)
