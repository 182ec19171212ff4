"""Asks policy whether a principal may change a tenant's resources, before anything is changed.

The policies of the active bundle decide, so that a tenant can tighten them; where there is none yet, or where it knows
nothing of administration, those that this process ships decide. Nobody's silence is an allowance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from amas_governance.bundle import Bundle, PolicySet

from amas_orchestrator.domain.errors import forbidden
from amas_orchestrator.domain.model import Principal
from amas_orchestrator.ports import Administration

Key = tuple[str, str]
"""Kind and name."""

NOT_KNOWN = "ACTION_UNKNOWN"
"""What a bundle's policies say of a kind of action that they were written without."""


class AskAdministration:
    """Questions about administration."""

    def __init__(self, administration: Administration, shipped: PolicySet) -> None:
        self._administration = administration
        self._shipped = shipped

    async def __call__(self, principal: Principal, active: Bundle | None, verbs: Mapping[str, Sequence[Key]]) -> None:
        """Returns if policy allows each verb on its resources; raises PERMISSION_DENIED with policy's reason."""
        for verb, resources in verbs.items():
            if resources:
                await self._ask(principal, active, verb, resources)

    async def _ask(self, principal: Principal, active: Bundle | None, verb: str, resources: Sequence[Key]) -> None:
        bundle = active or self._shipped_alone()
        decision = await self._administration.may_administer(principal, bundle, verb, resources)
        if active is not None and [reason.code for reason in decision.reasons] == [NOT_KNOWN]:
            decision = await self._administration.may_administer(principal, self._shipped_alone(), verb, resources)
        if decision.effect == "allow":
            return
        for reason in decision.reasons:
            raise forbidden(reason.code, reason.message)
        raise forbidden("DENIED", "policy denied the change")

    def _shipped_alone(self) -> Bundle:
        return Bundle.build([], self._shipped)
