"""Asks policy whether a principal may read the tenant's audit log, of one run or of all; it reads nothing itself."""

from __future__ import annotations

from amas_orchestrator.domain.model import Principal
from amas_orchestrator.ports import BundleStore

from .ask_administration import AskAdministration

VERB = "readAudit"


class AuthorizeAuditRead:
    """Leave to read the audit log."""

    def __init__(self, bundles: BundleStore, ask: AskAdministration) -> None:
        self._bundles = bundles
        self._ask = ask

    async def __call__(self, principal: Principal, run_id: str) -> None:
        """Returns if policy allows it, of the run or (empty) of the tenant; raises AmasError PERMISSION_DENIED if not.

        Of a run that is not known policy is asked all the same, so that the answer does not tell which ones there are.
        """
        active = await self._bundles.active(principal.tenant)
        what = ("Run", run_id) if run_id else ("Tenant", principal.tenant)
        await self._ask(principal, active[1] if active else None, {VERB: [what]})
