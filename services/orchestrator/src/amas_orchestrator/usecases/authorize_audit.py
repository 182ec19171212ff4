"""Asks policy whether a principal may do something with the tenant's audit log; it touches no log itself."""

from __future__ import annotations

from enum import StrEnum

from amas_orchestrator.domain.model import Principal
from amas_orchestrator.ports import BundleStore

from .ask_administration import AskAdministration


class AuditVerb(StrEnum):
    """What may be asked for; the value is what policy knows it as."""

    READ = "readAudit"
    FIND_SUBJECT = "findSubject"
    ERASE = "eraseContents"


class AuthorizeAudit:
    """Leave to read the log, to find whose data it holds, or to erase of it."""

    def __init__(self, bundles: BundleStore, ask: AskAdministration) -> None:
        self._bundles = bundles
        self._ask = ask

    async def __call__(self, principal: Principal, verb: AuditVerb, run_id: str = "") -> None:
        """Returns if policy allows it, of the run or (empty) of the tenant; raises AmasError PERMISSION_DENIED if not.

        Of a run that is not known policy is asked all the same, so that the answer does not tell which ones there are.
        Whose data is looked for or erased is not asked about: the decision is on record for ever, and the name would
        outlive an erasure.
        """
        active = await self._bundles.active(principal.tenant)
        what = ("Run", run_id) if run_id else ("Tenant", principal.tenant)
        await self._ask(principal, active[1] if active else None, {verb.value: [what]})
