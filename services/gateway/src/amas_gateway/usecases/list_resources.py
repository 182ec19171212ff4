"""Lists resources of the tenant's active bundle, or answers one of them."""

from __future__ import annotations

from dataclasses import dataclass

from amas_gateway.domain import errors
from amas_gateway.domain.model import FIRST_PAGE, Page, PageQuery, Principal, Resource
from amas_gateway.ports import Resources


@dataclass(frozen=True, slots=True)
class ListResources:
    resources: Resources

    async def __call__(
        self, principal: Principal, kind: str = "", name: str = "", page: PageQuery = FIRST_PAGE
    ) -> Page[Resource]:
        return await self.resources.list(principal, kind, name, page)

    async def one(self, principal: Principal, kind: str, name: str) -> Resource:
        """Raises NOT_FOUND when there is none."""
        answer = await self.resources.list(principal, kind, name, PageQuery(size=2))
        for resource in answer.items:
            if resource.kind == kind and resource.name == name:
                return resource
        raise errors.not_found("resource")
