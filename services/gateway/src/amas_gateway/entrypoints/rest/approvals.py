"""Approvals: what waits for a human, and the human's answer, bound to the digest of the action that was shown."""

from __future__ import annotations

from typing import Annotated

from amas.common.v1.approval_pb2 import ApprovalState
from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from amas_gateway.domain.authorization import Action
from amas_gateway.domain.model import Verdict
from amas_gateway.entrypoints.access import Access
from amas_gateway.entrypoints.rest.parameters import (
    ApprovalId,
    Body,
    PageSize,
    PageToken,
    Text,
    caller_of,
    enum_value,
    page_of,
)
from amas_gateway.entrypoints.rest.rendering import respond, respond_page
from amas_gateway.entrypoints.rest.schemas import page, returns
from amas_gateway.entrypoints.rest.strict_json import StrictRoute
from amas_gateway.usecases.catalogue import Catalogue

_PREVIEW = "amas.orchestrator.v1.PreviewEditResponse"
_APPROVAL = "amas.common.v1.Approval"
MAX_ARGUMENTS = 262_144
"""Characters of edited arguments; the policy-sidecar takes no more bytes."""


class Answer(Body):
    """An answer to exactly the action that was shown."""

    action_digest: str = Field(pattern="^sha256:[0-9a-f]{64}$")
    reason: str = Field(default="", max_length=1000)
    rendering_digest: str = Field(
        default="",
        pattern="^(sha256:[0-9a-f]{64})?$",
        description="`renderingDigest` of the approval as it was shown; another one is refused.",
    )


class Approve(Answer):
    """A yes, also to an action with other arguments than were proposed."""

    edited_arguments_json: str = Field(
        default="",
        max_length=MAX_ARGUMENTS,
        description="Arguments in place of the proposed ones; `actionDigest` is then what `:previewEdit` answered.",
    )


class Arguments(Body):
    """Arguments as JSON text, so that no number and no key changes on the way."""

    arguments_json: str = Field(min_length=2, max_length=MAX_ARGUMENTS)


def router(verbs: Catalogue, access: Access) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["approvals"], route_class=StrictRoute)

    @routes.get("/v1/approvals", responses=page(_APPROVAL, "approvals"))
    async def list_approvals(
        request: Request,
        run_id: Annotated[Text, Query(alias="runId")] = "",
        state: Text = "",
        page_size: Annotated[PageSize, Query(alias="pageSize")] = 0,
        page_token: Annotated[PageToken, Query(alias="pageToken")] = "",
    ) -> Response:
        """Lists the tenant's approvals; `state=pending` are those that wait."""
        principal = await access.admit(caller_of(request), Action.APPROVAL_READ)
        number = enum_value("state", state, "APPROVAL_STATE_", dict(ApprovalState.items()))
        answer = await verbs.list_approvals(principal, run_id, number, page_of(page_size, page_token))
        return respond_page("approvals", answer.items, answer.next_page_token)

    @routes.get("/v1/approvals/{approval_id}", responses=returns(_APPROVAL))
    async def get_approval(request: Request, approval_id: ApprovalId) -> Response:
        """Answers one approval: the exact action, its digest and its expiry."""
        principal = await access.admit(caller_of(request), Action.APPROVAL_READ)
        return respond(await verbs.get_approval(principal, approval_id))

    @routes.post("/v1/approvals/{approval_id}:approve", responses=returns(_APPROVAL))
    async def approve(request: Request, approval_id: ApprovalId, body: Approve) -> Response:
        """Approves the action with this digest, and no other."""
        return await _decide(request, approval_id, body, approve=True, edited=body.edited_arguments_json)

    @routes.post("/v1/approvals/{approval_id}:previewEdit", responses=returns(_PREVIEW))
    async def preview_edit(request: Request, approval_id: ApprovalId, body: Arguments) -> Response:
        """Answers what would become of the action with other arguments: its digest and policy's decision."""
        principal = await access.admit(caller_of(request), Action.APPROVAL_DECIDE)
        return respond(await verbs.preview_edit(principal, approval_id, body.arguments_json))

    @routes.post("/v1/approvals/{approval_id}:reject", responses=returns(_APPROVAL))
    async def reject(request: Request, approval_id: ApprovalId, body: Answer) -> Response:
        """Rejects the action, with a reason that the run shows."""
        return await _decide(request, approval_id, body, approve=False)

    async def _decide(request: Request, approval_id: str, body: Answer, *, approve: bool, edited: str = "") -> Response:
        principal = await access.admit(caller_of(request), Action.APPROVAL_DECIDE)
        verdict = Verdict(approval_id, approve, body.action_digest, body.reason, body.rendering_digest, edited)
        return respond(await verbs.decide_approval(principal, verdict))

    return routes
