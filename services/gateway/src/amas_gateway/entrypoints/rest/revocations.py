"""Revocations: take something out of use at once, give it back, list what is out of use."""

from __future__ import annotations

from typing import Annotated, Literal

import orjson
from amas.common.v1.revocation_pb2 import RevocationKind
from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from amas_gateway.domain.authorization import Action
from amas_gateway.domain.model import Revocable, RevocationAnswer
from amas_gateway.entrypoints.access import Access
from amas_gateway.entrypoints.rest.parameters import Body, PageSize, PageToken, caller_of, page_of
from amas_gateway.entrypoints.rest.rendering import JSON, as_json, respond_page
from amas_gateway.entrypoints.rest.schemas import page, returns
from amas_gateway.entrypoints.rest.strict_json import StrictRoute
from amas_gateway.usecases.catalogue import Catalogue

_REVOCATION = "amas.common.v1.Revocation"


class What(Body):
    """Something that can be revoked. A tool is `server/tool`, or a server's name for all of its tools."""

    kind: Literal["role", "tool", "principal", "bundle"]
    name: str = Field(min_length=1, max_length=255)
    reason: str = Field(default="", max_length=1000)

    def revocable(self) -> Revocable:
        """The same with the contracts' number of its kind."""
        return Revocable(RevocationKind.Value(f"REVOCATION_KIND_{self.kind.upper()}"), self.name)


class Revoke(What):
    """What to revoke; `force` also what nothing in use has, or oneself."""

    force: bool = False


def _answered(answer: RevocationAnswer, status: int) -> Response:
    body = {"revocation": as_json(answer.revocation), "existed": answer.existed}
    return Response(orjson.dumps(body), status, media_type=JSON)


def router(verbs: Catalogue, access: Access) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["revocations"], route_class=StrictRoute)

    @routes.post("/v1/revocations", responses=returns("amas.orchestrator.v1.RevokeResponse", 200, 201))
    async def revoke(request: Request, body: Revoke) -> Response:
        """Revokes at once, for runs under way too. 201; 200 if it was revoked already."""
        principal = await access.admit(caller_of(request), Action.REVOCATION_CHANGE)
        answer = await verbs.revoke(principal, body.revocable(), body.reason, body.force)
        return _answered(answer, 200 if answer.existed else 201)

    @routes.post("/v1/revocations:restore", responses=returns("amas.orchestrator.v1.RestoreResponse"))
    async def restore(request: Request, body: What) -> Response:
        """Lifts a revocation. What it ended stays ended."""
        principal = await access.admit(caller_of(request), Action.REVOCATION_CHANGE)
        answer = await verbs.restore(principal, body.revocable(), body.reason)
        return _answered(answer, 200)

    @routes.get("/v1/revocations", responses=page(_REVOCATION, "revocations"))
    async def list_revocations(
        request: Request,
        lifted_too: Annotated[bool, Query(alias="all", description="Lifted ones too.")] = False,
        page_size: Annotated[PageSize, Query(alias="pageSize")] = 0,
        page_token: Annotated[PageToken, Query(alias="pageToken")] = "",
    ) -> Response:
        """Lists what is revoked, newest first."""
        principal = await access.admit(caller_of(request), Action.REVOCATION_READ)
        answer = await verbs.list_revocations(principal, lifted_too, page_of(page_size, page_token))
        return respond_page("revocations", answer.items, answer.next_page_token)

    return routes
