"""amas.orchestrator.v1 over gRPC: translates, hands to one use case, translates back. For the gateway alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from amas.common.v1 import resource_pb2, run_pb2
from amas.orchestrator.v1 import orchestrator_pb2 as pb
from amas.orchestrator.v1 import orchestrator_pb2_grpc
from amas_chassis import telemetry
from amas_governance.canonical import canonical_json
from amas_governance.loader import SourceFile

from amas_orchestrator.domain.answering import Verdict
from amas_orchestrator.usecases.apply_resources import ApplyResources, Change
from amas_orchestrator.usecases.authorize_audit import AuditVerb, AuthorizeAudit
from amas_orchestrator.usecases.cancel_run import CancelRun
from amas_orchestrator.usecases.decide_approval import DecideApproval
from amas_orchestrator.usecases.edit_action import EditAction
from amas_orchestrator.usecases.read_approvals import ReadApprovals
from amas_orchestrator.usecases.read_resources import ReadResources
from amas_orchestrator.usecases.read_revocations import ReadRevocations
from amas_orchestrator.usecases.read_runs import ReadRuns
from amas_orchestrator.usecases.restore import Restore
from amas_orchestrator.usecases.revoke import Revoke
from amas_orchestrator.usecases.start_run import StartRun
from amas_orchestrator.usecases.watch_run import WatchRun

from .approval_wire import (
    approval_message,
    approval_state_of,
    bundle_message,
    edit_message,
    principal_of,
    problem_message,
    resource_message,
)
from .revocation_wire import revocation_kind_of, revocation_message
from .run_wire import decision_message, event_message, run_message, run_state_of

SERVICE = "amas.orchestrator.v1.OrchestratorService"
_METHODS = [method.name for method in pb.DESCRIPTOR.services_by_name["OrchestratorService"].methods]
CALLERS = {f"/{SERVICE}/{name}": frozenset({"gateway"}) for name in _METHODS}


@dataclass(frozen=True)
class UseCases:
    """What the API can do."""

    start_run: StartRun
    read_runs: ReadRuns
    watch_run: WatchRun
    cancel_run: CancelRun
    decide_approval: DecideApproval
    edit_action: EditAction
    read_approvals: ReadApprovals
    apply_resources: ApplyResources
    read_resources: ReadResources
    revoke: Revoke
    restore: Restore
    read_revocations: ReadRevocations
    authorize_audit: AuthorizeAudit


class OrchestratorApi(orchestrator_pb2_grpc.OrchestratorServiceServicer):
    """The servicer."""

    def __init__(self, use_cases: UseCases) -> None:
        self._use = use_cases

    async def StartRun(self, request: pb.StartRunRequest, context: Any) -> pb.StartRunResponse:  # noqa: N802 - named by the contract
        """Starts a run."""
        run, existed = await self._use.start_run(
            principal_of(request.principal),
            request.orchestration,
            request.input_json,
            request.idempotency_key,
            telemetry.traceparent(),
        )
        return pb.StartRunResponse(run=run_message(run), existed=existed)

    async def GetRun(self, request: pb.GetRunRequest, context: Any) -> pb.GetRunResponse:  # noqa: N802 - named by the contract
        """Shows a run."""
        run = await self._use.read_runs.get(principal_of(request.principal), request.run_id)
        return pb.GetRunResponse(run=run_message(run))

    async def ListRuns(self, request: pb.ListRunsRequest, context: Any) -> pb.ListRunsResponse:  # noqa: N802 - named by the contract
        """Shows a page of runs."""
        runs, token = await self._use.read_runs.page(
            principal_of(request.principal),
            request.orchestration,
            run_state_of(request.state),
            request.page_size,
            request.page_token,
        )
        return pb.ListRunsResponse(runs=[run_message(run) for run in runs], next_page_token=token)

    async def CancelRun(self, request: pb.CancelRunRequest, context: Any) -> pb.CancelRunResponse:  # noqa: N802 - named by the contract
        """Cancels a run."""
        run = await self._use.cancel_run(principal_of(request.principal), request.run_id, request.reason)
        return pb.CancelRunResponse(run=run_message(run))

    async def WatchRun(self, request: pb.WatchRunRequest, context: Any) -> AsyncIterator[run_pb2.RunEvent]:  # noqa: N802 - named by the contract
        """Streams a run's events."""
        principal = principal_of(request.principal)
        run = await self._use.read_runs.get(principal, request.run_id)
        async for event in self._use.watch_run(principal, request.run_id, request.after_sequence):
            yield event_message(event, run.trace_id)

    async def GetApproval(self, request: pb.GetApprovalRequest, context: Any) -> pb.GetApprovalResponse:  # noqa: N802 - named by the contract
        """Shows an approval."""
        approval = await self._use.read_approvals.get(principal_of(request.principal), request.approval_id)
        return pb.GetApprovalResponse(approval=approval_message(approval))

    async def ListApprovals(self, request: pb.ListApprovalsRequest, context: Any) -> pb.ListApprovalsResponse:  # noqa: N802 - named by the contract
        """Shows a page of approvals."""
        approvals, token = await self._use.read_approvals.page(
            principal_of(request.principal),
            request.run_id,
            approval_state_of(request.state),
            request.page_size,
            request.page_token,
        )
        return pb.ListApprovalsResponse(
            approvals=[approval_message(approval) for approval in approvals], next_page_token=token
        )

    async def DecideApproval(self, request: pb.DecideApprovalRequest, context: Any) -> pb.DecideApprovalResponse:  # noqa: N802 - named by the contract
        """Takes a human's answer."""
        approval = await self._use.decide_approval(
            principal_of(request.principal),
            request.approval_id,
            Verdict(request.approve, request.reason, request.action_digest, request.rendering_digest),
            request.edited_arguments_json,
        )
        return pb.DecideApprovalResponse(approval=approval_message(approval))

    async def PreviewEdit(self, request: pb.PreviewEditRequest, context: Any) -> pb.PreviewEditResponse:  # noqa: N802 - named by the contract
        """Says what would become of an edited action."""
        preview = await self._use.edit_action.preview(
            principal_of(request.principal), request.approval_id, request.arguments_json
        )
        return pb.PreviewEditResponse(
            edit=edit_message(preview.approval, preview.edit), decision=decision_message(preview.decision.to_dict())
        )

    async def ApplyResources(self, request: pb.ApplyResourcesRequest, context: Any) -> pb.ApplyResourcesResponse:  # noqa: N802 - named by the contract
        """Applies resources."""
        applied = await self._use.apply_resources(
            principal_of(request.principal),
            [SourceFile(file.name, file.content) for file in request.files],
            [(ref.kind, ref.name) for ref in request.delete],
            dry_run=request.dry_run,
        )
        return pb.ApplyResourcesResponse(
            bundle=bundle_message(applied.bundle),
            changes=[_change(change) for change in applied.changes],
            problems=[problem_message(problem) for problem in applied.problems],
            warnings=[problem_message(warning) for warning in applied.warnings],
        )

    async def ListResources(self, request: pb.ListResourcesRequest, context: Any) -> pb.ListResourcesResponse:  # noqa: N802 - named by the contract
        """Shows a page of resources."""
        resources, token, info = await self._use.read_resources.page(
            principal_of(request.principal), request.kind, request.name, request.page_size, request.page_token
        )
        return pb.ListResourcesResponse(
            resources=[resource_message(resource) for resource in resources],
            next_page_token=token,
            bundle=bundle_message(info),
        )

    async def GetBundle(self, request: pb.GetBundleRequest, context: Any) -> pb.GetBundleResponse:  # noqa: N802 - named by the contract
        """Answers a bundle with its content."""
        info, bundle = await self._use.read_resources.bundle(request.tenant, request.digest)
        return pb.GetBundleResponse(bundle=bundle_message(info), content=bundle.content)

    async def DescribeToolServer(  # noqa: N802 - named by the contract
        self, request: pb.DescribeToolServerRequest, context: Any
    ) -> pb.DescribeToolServerResponse:
        """Shows what a live tool server offers."""
        offer = await self._use.read_resources.describe_tool_server(principal_of(request.principal), request.server)
        described = [
            pb.ToolDescription(
                name=tool.name,
                description=tool.description,
                arguments_schema_json=canonical_json(tool.schema).decode(),
            )
            for tool in offer.tools
        ]
        return pb.DescribeToolServerResponse(
            tools=described, pin=offer.pin, accepted_pin=offer.accepted_pin, offer_json=offer.offer_json
        )

    async def Revoke(self, request: pb.RevokeRequest, context: Any) -> pb.RevokeResponse:  # noqa: N802 - named by the contract
        """Takes something out of use."""
        made, existed = await self._use.revoke(
            principal_of(request.principal),
            revocation_kind_of(request.kind),
            request.name,
            request.reason,
            force=request.force,
        )
        return pb.RevokeResponse(revocation=revocation_message(made), existed=existed)

    async def Restore(self, request: pb.RestoreRequest, context: Any) -> pb.RestoreResponse:  # noqa: N802 - named by the contract
        """Lifts a revocation."""
        lifted, existed = await self._use.restore(
            principal_of(request.principal), revocation_kind_of(request.kind), request.name, request.reason
        )
        return pb.RestoreResponse(revocation=revocation_message(lifted), existed=existed)

    async def ListRevocations(self, request: pb.ListRevocationsRequest, context: Any) -> pb.ListRevocationsResponse:  # noqa: N802 - named by the contract
        """Shows a page of revocations."""
        found, token = await self._use.read_revocations.page(
            principal_of(request.principal), request.page_size, request.page_token, lifted_too=request.all
        )
        return pb.ListRevocationsResponse(revocations=[revocation_message(one) for one in found], next_page_token=token)

    async def AuthorizeAuditRead(  # noqa: N802 - named by the contract
        self, request: pb.AuthorizeAuditReadRequest, context: Any
    ) -> pb.AuthorizeAuditReadResponse:
        """Asks whether the audit log may be read."""
        await self._use.authorize_audit(principal_of(request.principal), AuditVerb.READ, request.run_id)
        return pb.AuthorizeAuditReadResponse()

    async def AuthorizeErasure(self, request: pb.AuthorizeErasureRequest, context: Any) -> pb.AuthorizeErasureResponse:  # noqa: N802 - named by the contract
        """Asks whether contents of the audit log may be erased."""
        await self._use.authorize_audit(principal_of(request.principal), AuditVerb.ERASE)
        return pb.AuthorizeErasureResponse()

    async def AuthorizeSubjectSearch(  # noqa: N802 - named by the contract
        self, request: pb.AuthorizeSubjectSearchRequest, context: Any
    ) -> pb.AuthorizeSubjectSearchResponse:
        """Asks whether it may be found whose data the audit log holds."""
        await self._use.authorize_audit(principal_of(request.principal), AuditVerb.FIND_SUBJECT)
        return pb.AuthorizeSubjectSearchResponse()

    async def GetRevokedPrincipals(  # noqa: N802 - named by the contract
        self, request: pb.GetRevokedPrincipalsRequest, context: Any
    ) -> pb.GetRevokedPrincipalsResponse:
        """Names the revoked principals of all tenants."""
        version, found = await self._use.read_revocations.principals(request.known_version)
        principals = [pb.RevokedPrincipal(tenant=one.tenant, subject=one.name) for one in found]
        return pb.GetRevokedPrincipalsResponse(version=version, principals=principals)


def _change(change: Change) -> resource_pb2.ResourceChange:
    return resource_pb2.ResourceChange(
        kind=change.kind,
        name=change.name,
        change=resource_pb2.ResourceChangeKind.Value(f"RESOURCE_CHANGE_KIND_{change.change.upper()}"),
        before_json=canonical_json(change.before).decode() if change.before else "",
        after_json=canonical_json(change.after).decode() if change.after else "",
    )
