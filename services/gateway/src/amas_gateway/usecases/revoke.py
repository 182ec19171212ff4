"""Takes a role, a tool, a principal or a bundle of the principal's tenant out of use, for runs under way too."""

from __future__ import annotations

from dataclasses import dataclass

from amas_gateway.domain.model import Principal, Revocable, RevocationAnswer
from amas_gateway.ports import Revocations


@dataclass(frozen=True, slots=True)
class Revoke:
    revocations: Revocations

    async def __call__(
        self, principal: Principal, what: Revocable, reason: str = "", force: bool = False
    ) -> RevocationAnswer:
        """Answers when it is on the record and refused everywhere."""
        return await self.revocations.revoke(principal, what, reason, force)
