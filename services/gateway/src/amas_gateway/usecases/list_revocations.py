"""Lists the revocations of the principal's tenant."""

from __future__ import annotations

from dataclasses import dataclass

from amas_gateway.domain import tenancy
from amas_gateway.domain.model import FIRST_PAGE, Page, PageQuery, Principal, Revocation
from amas_gateway.ports import Revocations


@dataclass(frozen=True, slots=True)
class ListRevocations:
    revocations: Revocations

    async def __call__(
        self, principal: Principal, lifted_too: bool = False, page: PageQuery = FIRST_PAGE
    ) -> Page[Revocation]:
        answer = await self.revocations.list(principal, lifted_too, page)
        for revocation in answer.items:
            tenancy.check(principal, revocation.tenant, "revocation")
        return answer
