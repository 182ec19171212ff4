"""Lifts a revocation: on the record, then in the database, then everywhere. What it ended stays ended."""

from __future__ import annotations

from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.revocations import Revocable, RevocationKind

from amas_orchestrator.domain.events import AuditRecord
from amas_orchestrator.domain.model import Principal
from amas_orchestrator.domain.revocations import Revocation
from amas_orchestrator.ports import AuditLog, BundleStore, RevocationStore

from .ask_administration import AskAdministration
from .revoke import carry_on, subject_of
from .spread_revocations import SpreadRevocations

LIFTED = "dev.amas.revocation.lifted"


class Restore:
    """Lifts revocations."""

    def __init__(
        self,
        store: RevocationStore,
        bundles: BundleStore,
        ask: AskAdministration,
        audit: AuditLog,
        spread: SpreadRevocations,
        clock: Clock,
    ) -> None:
        self._store = store
        self._bundles = bundles
        self._ask = ask
        self._audit = audit
        self._spread = spread
        self._clock = clock

    async def __call__(
        self, principal: Principal, kind: RevocationKind, name: str, reason: str
    ) -> tuple[Revocation, bool]:
        """The revocation that was lifted, and whether it had been before; NOT_FOUND if it was never revoked."""
        what = Revocable(principal.tenant, kind, name)
        standing = await self._store.newest(what)
        if standing is None:
            raise _not_revoked(what)
        existed = standing.lifted_at is not None
        if not existed:
            active = await self._bundles.active(principal.tenant)
            await self._ask(principal, active[1] if active else None, {"restore": [subject_of(what)]})
            now = self._clock.now()
            data = {"revocation": standing.id, "kind": kind.value, "name": name, "reason": reason}
            record = AuditRecord(f"revocation-lifted:{what.tenant}/{standing.id}", LIFTED, now, data=data)
            await self._audit.append_for_tenant(principal, record, "")
            lifted, existed = await self._store.lift(what, principal.subject, reason, now)
            if lifted is None:
                raise _not_revoked(what)
            standing = lifted
        await carry_on(self._spread)
        return standing, existed


def _not_revoked(what: Revocable) -> AmasError:
    return AmasError(ErrorKind.NOT_FOUND, "NOT_REVOKED", f"{what} is not revoked")
