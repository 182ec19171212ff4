"""Asks policy whether a principal may erase contents of the tenant's audit log; it erases nothing itself."""

from __future__ import annotations

from amas_orchestrator.domain.model import Principal
from amas_orchestrator.ports import BundleStore

from .ask_administration import AskAdministration

VERB = "eraseContents"


class AuthorizeErasure:
    """Leave to erase."""

    def __init__(self, bundles: BundleStore, ask: AskAdministration) -> None:
        self._bundles = bundles
        self._ask = ask

    async def __call__(self, principal: Principal) -> None:
        """Returns if policy allows it; raises AmasError PERMISSION_DENIED if not. Whose contents is not asked about:

        the decision is on record for ever, and the name would outlive the erasure.
        """
        active = await self._bundles.active(principal.tenant)
        await self._ask(principal, active[1] if active else None, {VERB: [("Tenant", principal.tenant)]})
