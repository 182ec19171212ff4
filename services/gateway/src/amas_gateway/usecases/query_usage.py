"""Answers what model calls of the principal's tenant used and cost."""

from __future__ import annotations

from dataclasses import dataclass

from amas_gateway.domain.model import Page, Principal, UsageQuery
from amas_gateway.ports import Usage


@dataclass(frozen=True, slots=True)
class QueryUsage:
    usage: Usage

    async def __call__(self, principal: Principal, query: UsageQuery) -> Page[object]:
        return await self.usage.query(principal.tenant, query)
