"""Answers what is used, held and left of the budgets of the principal's tenant."""

from __future__ import annotations

from dataclasses import dataclass

from amas_chassis.errors import AmasError

from amas_gateway.domain.model import BudgetQuery, Page, Principal
from amas_gateway.ports import Usage

from .under_bundle import UnderBundle


@dataclass(frozen=True, slots=True)
class ListBudgets:
    under_bundle: UnderBundle
    usage: Usage

    async def __call__(self, principal: Principal, query: BudgetQuery) -> Page[object]:
        try:
            return await self.under_bundle(
                principal.tenant, lambda digest: self.usage.budgets(principal, digest, query)
            )
        except AmasError as error:
            if error.reason != "BUNDLE_NOT_FOUND":
                raise
            # Nothing was ever applied, so nothing is bounded.
            return Page((), "")
