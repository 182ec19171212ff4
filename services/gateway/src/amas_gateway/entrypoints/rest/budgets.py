"""Budgets: what of each is used, held for calls under way, and when it renews."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from amas_gateway.domain.authorization import Action
from amas_gateway.domain.model import BudgetQuery
from amas_gateway.entrypoints.access import Access
from amas_gateway.entrypoints.rest.parameters import PageSize, PageToken, caller_of, page_of
from amas_gateway.entrypoints.rest.rendering import respond_page
from amas_gateway.entrypoints.rest.schemas import page
from amas_gateway.entrypoints.rest.strict_json import StrictRoute
from amas_gateway.usecases.catalogue import Catalogue


def router(verbs: Catalogue, access: Access) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["usage"], route_class=StrictRoute)

    @routes.get("/v1/budgets", responses=page("amas.router.v1.BudgetState", "budgets"))
    async def list_budgets(
        request: Request,
        name: Annotated[str, Query(max_length=63, description="Only this Budget.")] = "",
        page_size: Annotated[PageSize, Query(alias="pageSize")] = 0,
        page_token: Annotated[PageToken, Query(alias="pageToken")] = "",
    ) -> Response:
        """Says for each budget of the tenant, and each whom it counts for, where it stands in its current window."""
        principal = await access.admit(caller_of(request), Action.USAGE_READ)
        query = BudgetQuery(name, page_of(page_size, page_token))
        answer = await verbs.list_budgets(principal, query)
        return respond_page("budgets", answer.items, answer.next_page_token)

    return routes
