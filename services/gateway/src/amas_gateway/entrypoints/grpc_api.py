"""The public gRPC API: RunsService, ApprovalsService, ResourcesService. Identity is the token in `authorization`.

Errors, validation, traces and metrics are the chassis's; each method translates, asks one use case, translates back.
"""

# ruff: noqa: N802 - the contract names the methods.
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

import grpc
from amas.common.v1 import approval_pb2, resource_pb2, run_pb2
from amas.gateway.v1 import gateway_pb2 as pb
from amas.gateway.v1 import gateway_pb2_grpc as rpc
from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError
from amas_chassis.service import GrpcService
from google.protobuf.message import Message

from amas_gateway.domain.authorization import Action
from amas_gateway.domain.errors import TokenFault, invalid, token_refused
from amas_gateway.domain.model import PageQuery, Principal, ResourceRef, RunEvent, SourceFile, Verdict
from amas_gateway.entrypoints.access import Access, Caller
from amas_gateway.usecases.catalogue import Catalogue

MessageT = TypeVar("MessageT", bound=Message)
Context = grpc.aio.ServicerContext[Any, Any]

MAX_IDEMPOTENCY_KEY = 200


class Calls:
    """What the three services share: the caller of a call."""

    def __init__(self, verbs: Catalogue, access: Access, clock: Clock) -> None:
        self.verbs = verbs
        self.clock = clock
        self._access = access

    async def admit(self, context: Context, action: Action) -> Principal:
        """The principal of the call, if it may do the action."""
        caller = Caller()
        await self._access.identify(caller, metadata(context, "authorization"))
        return await self._access.admit(caller, action)

    def refused(self, principal: Principal, action: Action, error: AmasError) -> None:
        """Records a refusal that came after the admission."""
        self._access.refused(Caller(principal=principal, action=action), error)

    async def while_valid(self, principal: Principal, events: AsyncIterator[RunEvent]) -> RunEvent | None:
        """The next event, or None at the end. Raises UNAUTHENTICATED when the principal's token ends first."""
        left = principal.expires_at - self.clock.now().timestamp()
        try:
            async with asyncio.timeout(max(0.0, left)):
                return await anext(events, None)
        except TimeoutError as error:
            raise token_refused(TokenFault.EXPIRED) from error


def metadata(context: Context, name: str) -> str | None:
    """One text entry of the call's metadata."""
    for key, value in context.invocation_metadata() or ():
        if key == name and isinstance(value, str):
            return value
    return None


def _is(kind: type[MessageT], carried: object) -> MessageT:
    """The carried message, which the orchestrator sent as this kind."""
    if not isinstance(carried, kind):
        raise TypeError(f"a {kind.__name__} was expected")
    return carried


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
        return pb.StartRunResponse(run=_is(run_pb2.Run, started.run), existed=started.existed)

    async def GetRun(self, request: pb.GetRunRequest, context: Context) -> pb.GetRunResponse:
        principal = await self._calls.admit(context, Action.RUN_READ)
        return pb.GetRunResponse(run=_is(run_pb2.Run, await self._verbs.get_run(principal, request.run_id)))

    async def ListRuns(self, request: pb.ListRunsRequest, context: Context) -> pb.ListRunsResponse:
        principal = await self._calls.admit(context, Action.RUN_READ)
        answer = await self._verbs.list_runs(
            principal, request.orchestration, request.state, PageQuery(request.page_size, request.page_token)
        )
        runs = [_is(run_pb2.Run, run) for run in answer.items]
        return pb.ListRunsResponse(runs=runs, next_page_token=answer.next_page_token)

    async def CancelRun(self, request: pb.CancelRunRequest, context: Context) -> pb.CancelRunResponse:
        principal = await self._calls.admit(context, Action.RUN_CANCEL)
        try:
            run = await self._verbs.cancel_run(principal, request.run_id, request.reason)
        except AmasError as error:
            self._calls.refused(principal, Action.RUN_CANCEL, error)
            raise
        return pb.CancelRunResponse(run=_is(run_pb2.Run, run))

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
                    yield _is(run_pb2.RunEvent, event)


class ApprovalsServicer(rpc.ApprovalsServiceServicer):
    """amas.gateway.v1.ApprovalsService."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._verbs = calls.verbs

    async def GetApproval(self, request: pb.GetApprovalRequest, context: Context) -> pb.GetApprovalResponse:
        principal = await self._calls.admit(context, Action.APPROVAL_READ)
        approval = await self._verbs.get_approval(principal, request.approval_id)
        return pb.GetApprovalResponse(approval=_is(approval_pb2.Approval, approval))

    async def ListApprovals(self, request: pb.ListApprovalsRequest, context: Context) -> pb.ListApprovalsResponse:
        principal = await self._calls.admit(context, Action.APPROVAL_READ)
        answer = await self._verbs.list_approvals(
            principal, request.run_id, request.state, PageQuery(request.page_size, request.page_token)
        )
        approvals = [_is(approval_pb2.Approval, approval) for approval in answer.items]
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
        return pb.DecideApprovalResponse(approval=_is(approval_pb2.Approval, approval))

    async def PreviewEdit(self, request: pb.PreviewEditRequest, context: Context) -> pb.PreviewEditResponse:
        principal = await self._calls.admit(context, Action.APPROVAL_DECIDE)
        previewed = await self._verbs.preview_edit(principal, request.approval_id, request.arguments_json)
        # The orchestrator's response has the same fields with the same numbers; a test holds them together.
        return pb.PreviewEditResponse.FromString(_is(Message, previewed).SerializeToString())


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
        return pb.ApplyResourcesResponse.FromString(_is(Message, applied).SerializeToString())

    async def ListResources(self, request: pb.ListResourcesRequest, context: Context) -> pb.ListResourcesResponse:
        principal = await self._calls.admit(context, Action.RESOURCE_READ)
        answer = await self._verbs.list_resources(
            principal, request.kind, request.name, PageQuery(request.page_size, request.page_token)
        )
        response = pb.ListResourcesResponse(
            resources=[_is(resource_pb2.Resource, resource) for resource in answer.items],
            next_page_token=answer.next_page_token,
        )
        if answer.context is not None:
            response.bundle.CopyFrom(_is(resource_pb2.Bundle, answer.context))
        return response


def services(verbs: Catalogue, access: Access, clock: Clock) -> Sequence[GrpcService]:
    """The three services, for the public server."""
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
    )
