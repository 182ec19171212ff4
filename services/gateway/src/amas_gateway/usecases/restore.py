"""Lifts a revocation of the principal's tenant."""

from __future__ import annotations

from dataclasses import dataclass

from amas_gateway.domain.model import Principal, Revocable, RevocationAnswer
from amas_gateway.ports import Revocations


@dataclass(frozen=True, slots=True)
class Restore:
    revocations: Revocations

    async def __call__(self, principal: Principal, what: Revocable, reason: str = "") -> RevocationAnswer:
        return await self.revocations.restore(principal, what, reason)
