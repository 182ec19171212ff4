"""Usage: tokens and cost of the tenant's model calls."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from amas_gateway.domain.authorization import Action
from amas_gateway.domain.model import UsageQuery
from amas_gateway.entrypoints.access import Access
from amas_gateway.entrypoints.rest.parameters import PageSize, PageToken, Text, Time, caller_of, page_of
from amas_gateway.entrypoints.rest.rendering import respond_page
from amas_gateway.entrypoints.rest.schemas import page
from amas_gateway.entrypoints.rest.strict_json import StrictRoute
from amas_gateway.usecases.catalogue import Catalogue


def router(verbs: Catalogue, access: Access) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["usage"], route_class=StrictRoute)

    @routes.get("/v1/usage", responses=page("amas.router.v1.UsageRow", "rows"))
    async def query_usage(
        request: Request,
        run_id: Annotated[Text, Query(alias="runId")] = "",
        since: Time = "",
        until: Time = "",
        page_size: Annotated[PageSize, Query(alias="pageSize")] = 0,
        page_token: Annotated[PageToken, Query(alias="pageToken")] = "",
    ) -> Response:
        """Adds up model calls by run, role, route and model."""
        principal = await access.admit(caller_of(request), Action.USAGE_READ)
        query = UsageQuery(run_id, since, until, page_of(page_size, page_token))
        answer = await verbs.query_usage(principal, query)
        return respond_page("rows", answer.items, answer.next_page_token)

    return routes
