"""The public gRPC API: RunsService, ApprovalsService, ResourcesService; the other services have files of their own.

Identity is the token in `authorization`. Errors, validation, traces and metrics are the chassis's; each method
translates, asks one use case, translates back.
"""

# ruff: noqa: N802 - the contract names the methods.
from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from amas.common.v1 import approval_pb2, resource_pb2, run_pb2
from amas.gateway.v1 import gateway_pb2 as pb
from amas.gateway.v1 import gateway_pb2_grpc as rpc
from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError
from amas_chassis.service import GrpcService
from google.protobuf.message import Message

from amas_gateway.domain.authorization import Action
from amas_gateway.domain.errors import invalid
from amas_gateway.domain.model import PageQuery, ResourceRef, SourceFile, Verdict
from amas_gateway.entrypoints.access import Access
from amas_gateway.usecases.catalogue import Catalogue

from .grpc_audit import AuditServicer
from .grpc_calls import Calls, Context, carried_as, metadata
from .grpc_revocations import RevocationsServicer

MAX_IDEMPOTENCY_KEY = 200


class RunsServicer(rpc.RunsServiceServicer):
    """amas.gateway.v1.RunsService."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._verbs = calls.verbs

    async def StartRun(self, request: pb.StartRunRequest, context: Context) -> pb.StartRunResponse:
        principal = await self._calls.admit(context, Action.RUN_START)
        key = metadata(context, "idempotency-key") or ""
        if len(key) > MAX_IDEMPOTENCY_KEY:
            raise invalid("idempotency-key", f"must have at most {MAX_IDEMPOTENCY_KEY} characters")
        started = await self._verbs.start_run(principal, request.orchestration, request.input_json, key)
        return pb.StartRunResponse(run=carried_as(run_pb2.Run, started.run), existed=started.existed)

    async def GetRun(self, request: pb.GetRunRequest, context: Context) -> pb.GetRunResponse:
        principal = await self._calls.admit(context, Action.RUN_READ)
        return pb.GetRunResponse(run=carried_as(run_pb2.Run, await self._verbs.get_run(principal, request.run_id)))

    async def ListRuns(self, request: pb.ListRunsRequest, context: Context) -> pb.ListRunsResponse:
        principal = await self._calls.admit(context, Action.RUN_READ)
        answer = await self._verbs.list_runs(
            principal, request.orchestration, request.state, PageQuery(request.page_size, request.page_token)
        )
        runs = [carried_as(run_pb2.Run, run) for run in answer.items]
        return pb.ListRunsResponse(runs=runs, next_page_token=answer.next_page_token)

    async def CancelRun(self, request: pb.CancelRunRequest, context: Context) -> pb.CancelRunResponse:
        principal = await self._calls.admit(context, Action.RUN_CANCEL)
        try:
            run = await self._verbs.cancel_run(principal, request.run_id, request.reason)
        except AmasError as error:
            self._calls.refused(principal, Action.RUN_CANCEL, error)
            raise
        return pb.CancelRunResponse(run=carried_as(run_pb2.Run, run))

    async def WatchRun(self, request: pb.WatchRunRequest, context: Context) -> AsyncIterator[run_pb2.RunEvent]:
        principal = await self._calls.admit(context, Action.RUN_WATCH)
        try:
            await self._verbs.watch_run.open(principal, request.run_id)
        except AmasError as error:
            self._calls.refused(principal, Action.RUN_WATCH, error)
            raise
        with self._verbs.hold_stream(principal):
            async with aclosing(self._verbs.watch_run(principal, request.run_id, request.after_sequence)) as events:
                while (event := await self._calls.while_valid(principal, events)) is not None:
                    yield carried_as(run_pb2.RunEvent, event)


class ApprovalsServicer(rpc.ApprovalsServiceServicer):
    """amas.gateway.v1.ApprovalsService."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._verbs = calls.verbs

    async def GetApproval(self, request: pb.GetApprovalRequest, context: Context) -> pb.GetApprovalResponse:
        principal = await self._calls.admit(context, Action.APPROVAL_READ)
        approval = await self._verbs.get_approval(principal, request.approval_id)
        return pb.GetApprovalResponse(approval=carried_as(approval_pb2.Approval, approval))

    async def ListApprovals(self, request: pb.ListApprovalsRequest, context: Context) -> pb.ListApprovalsResponse:
        principal = await self._calls.admit(context, Action.APPROVAL_READ)
        answer = await self._verbs.list_approvals(
            principal, request.run_id, request.state, PageQuery(request.page_size, request.page_token)
        )
        approvals = [carried_as(approval_pb2.Approval, approval) for approval in answer.items]
        return pb.ListApprovalsResponse(approvals=approvals, next_page_token=answer.next_page_token)

    async def DecideApproval(self, request: pb.DecideApprovalRequest, context: Context) -> pb.DecideApprovalResponse:
        principal = await self._calls.admit(context, Action.APPROVAL_DECIDE)
        verdict = Verdict(
            request.approval_id,
            request.approve,
            request.action_digest,
            request.reason,
            request.rendering_digest,
            request.edited_arguments_json,
        )
        try:
            approval = await self._verbs.decide_approval(principal, verdict)
        except AmasError as error:
            self._calls.refused(principal, Action.APPROVAL_DECIDE, error)
            raise
        return pb.DecideApprovalResponse(approval=carried_as(approval_pb2.Approval, approval))

    async def PreviewEdit(self, request: pb.PreviewEditRequest, context: Context) -> pb.PreviewEditResponse:
        principal = await self._calls.admit(context, Action.APPROVAL_DECIDE)
        try:
            previewed = await self._verbs.preview_edit(principal, request.approval_id, request.arguments_json)
        except AmasError as error:
            self._calls.refused(principal, Action.APPROVAL_DECIDE, error)
            raise
        # The orchestrator's response has the same fields with the same numbers; a test holds them together.
        return pb.PreviewEditResponse.FromString(carried_as(Message, previewed).SerializeToString())


class ResourcesServicer(rpc.ResourcesServiceServicer):
    """amas.gateway.v1.ResourcesService."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._verbs = calls.verbs

    async def ApplyResources(self, request: pb.ApplyResourcesRequest, context: Context) -> pb.ApplyResourcesResponse:
        principal = await self._calls.admit(context, Action.RESOURCE_APPLY)
        applied = await self._verbs.apply_resources(
            principal,
            [SourceFile(file.name, file.content) for file in request.files],
            [ResourceRef(ref.kind, ref.name) for ref in request.delete],
            request.dry_run,
        )
        # The orchestrator's response has the same fields with the same numbers; a test holds them together.
        return pb.ApplyResourcesResponse.FromString(carried_as(Message, applied).SerializeToString())

    async def ListResources(self, request: pb.ListResourcesRequest, context: Context) -> pb.ListResourcesResponse:
        principal = await self._calls.admit(context, Action.RESOURCE_READ)
        answer = await self._verbs.list_resources(
            principal, request.kind, request.name, PageQuery(request.page_size, request.page_token)
        )
        response = pb.ListResourcesResponse(
            resources=[carried_as(resource_pb2.Resource, resource) for resource in answer.items],
            next_page_token=answer.next_page_token,
        )
        if answer.context is not None:
            response.bundle.CopyFrom(carried_as(resource_pb2.Bundle, answer.context))
        return response


def services(verbs: Catalogue, access: Access, clock: Clock) -> Sequence[GrpcService]:
    """The services, for the public server."""
    calls = Calls(verbs, access, clock)
    return (
        GrpcService("amas.gateway.v1.RunsService", rpc.add_RunsServiceServicer_to_server, RunsServicer(calls)),
        GrpcService(
            "amas.gateway.v1.ApprovalsService",
            rpc.add_ApprovalsServiceServicer_to_server,
            ApprovalsServicer(calls),
        ),
        GrpcService(
            "amas.gateway.v1.ResourcesService",
            rpc.add_ResourcesServiceServicer_to_server,
            ResourcesServicer(calls),
        ),
        GrpcService(
            "amas.gateway.v1.RevocationsService",
            rpc.add_RevocationsServiceServicer_to_server,
            RevocationsServicer(calls),
        ),
        GrpcService("amas.gateway.v1.AuditService", rpc.add_AuditServiceServicer_to_server, AuditServicer(calls)),
    )
