"""Resources: apply, list, answer; and what a live tool server offers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from amas_gateway.domain.authorization import Action
from amas_gateway.domain.model import ResourceRef, SourceFile
from amas_gateway.entrypoints import http_errors
from amas_gateway.entrypoints.access import Access
from amas_gateway.entrypoints.http_errors import HttpError
from amas_gateway.entrypoints.rest.parameters import (
    Body,
    Kind,
    Name,
    PageSize,
    PageToken,
    caller_of,
    page_of,
)
from amas_gateway.entrypoints.rest.rendering import as_json, respond, respond_page
from amas_gateway.entrypoints.rest.schemas import page, returns
from amas_gateway.entrypoints.rest.strict_json import StrictRoute
from amas_gateway.usecases.catalogue import Catalogue

_RESOURCE = "amas.common.v1.Resource"
MAX_ITEMS = 1000


class File(Body):
    """A YAML file with one or more resources; the name is shown in problems."""

    name: str = Field(min_length=1, max_length=1024)
    content: str


class Ref(Body):
    """One resource."""

    kind: str = Field(min_length=1, max_length=63)
    name: str = Field(min_length=1, max_length=127)


class Apply(Body):
    """What to put in and what to take out: all of it or nothing."""

    files: list[File] = Field(default=[], max_length=MAX_ITEMS)
    delete: list[Ref] = Field(default=[], max_length=MAX_ITEMS)
    dry_run: bool = False


def router(verbs: Catalogue, access: Access) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["resources"], route_class=StrictRoute)

    @routes.post("/v1/resources:apply", responses=returns("amas.orchestrator.v1.ApplyResourcesResponse"))
    async def apply_resources(request: Request, body: Apply) -> Response:
        """Applies files and deletions. 422 with `problems` (file, line, column, field): nothing was applied."""
        principal = await access.admit(caller_of(request), Action.RESOURCE_APPLY)
        applied = await verbs.apply_resources(
            principal,
            [SourceFile(file.name, file.content) for file in body.files],
            [ResourceRef(ref.kind, ref.name) for ref in body.delete],
            body.dry_run,
        )
        if not applied.problems:
            return respond(applied)
        error = HttpError(422, "RESOURCES_INVALID", "The resources are not valid; nothing was applied.")
        problems = as_json(applied)["problems"]
        return Response(
            http_errors.problem(error, request.url.path, problems=problems),
            status_code=422,
            media_type="application/problem+json",
        )

    @routes.get("/v1/resources", responses=page(_RESOURCE, "resources"))
    async def list_resources(
        request: Request,
        page_size: Annotated[PageSize, Query(alias="pageSize")] = 0,
        page_token: Annotated[PageToken, Query(alias="pageToken")] = "",
    ) -> Response:
        """Lists all resources of the active bundle."""
        return await _list(request, "", page_size, page_token)

    @routes.get("/v1/resources/{kind}", responses=page(_RESOURCE, "resources"))
    async def list_resources_of_kind(
        request: Request,
        kind: Kind,
        page_size: Annotated[PageSize, Query(alias="pageSize")] = 0,
        page_token: Annotated[PageToken, Query(alias="pageToken")] = "",
    ) -> Response:
        """Lists the resources of one kind."""
        return await _list(request, kind, page_size, page_token)

    async def _list(request: Request, kind: str, size: int, token: str) -> Response:
        principal = await access.admit(caller_of(request), Action.RESOURCE_READ)
        answer = await verbs.list_resources(principal, kind, "", page_of(size, token))
        return respond_page("resources", answer.items, answer.next_page_token, bundle=answer.context)

    @routes.get("/v1/resources/{kind}/{name}", responses=returns(_RESOURCE))
    async def get_resource(request: Request, kind: Kind, name: Name) -> Response:
        """Answers one resource."""
        principal = await access.admit(caller_of(request), Action.RESOURCE_READ)
        return respond(await verbs.list_resources.one(principal, kind, name))

    @routes.get("/v1/tool-servers/{name}", responses=returns("amas.orchestrator.v1.DescribeToolServerResponse"))
    async def describe_tool_server(request: Request, name: Name) -> Response:
        """Asks the live tool server what it offers, with the digest that a pin would have."""
        principal = await access.admit(caller_of(request), Action.RESOURCE_READ)
        return respond(await verbs.describe_tool_server(principal, name))

    return routes
