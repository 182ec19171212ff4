"""Takes a role, a tool, a principal or a bundle out of use: on the record, then in the database, then everywhere.

It answers only when every policy-sidecar refuses it. If that cannot be reached, the revocation stands and is carried on
in the background; asking again is the same and says whether it got there.
"""

from __future__ import annotations

import difflib

from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.bundle import Bundle
from amas_governance.resources import AgentRole, ToolServer
from amas_governance.revocations import Revocable, RevocationKind

from amas_orchestrator.domain.errors import refused
from amas_orchestrator.domain.events import AuditRecord
from amas_orchestrator.domain.ids import new_run_id
from amas_orchestrator.domain.model import Principal
from amas_orchestrator.domain.revocations import Revocation
from amas_orchestrator.ports import AuditLog, BundleStore, RevocationStore

from .ask_administration import AskAdministration, Key
from .spread_revocations import SpreadRevocations

MADE = "dev.amas.revocation.made"
MAX_IN_FORCE = 1_000
"""Revocations of one tenant that hold at once; each is in the memory of every policy-sidecar."""


_KINDS = {
    RevocationKind.ROLE: AgentRole.KIND,
    RevocationKind.TOOL: "Tool",
    RevocationKind.PRINCIPAL: "Principal",
    RevocationKind.BUNDLE: "Bundle",
}


class Revoke:
    """Makes revocations."""

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
        self, principal: Principal, kind: RevocationKind, name: str, reason: str, *, force: bool
    ) -> tuple[Revocation, bool]:
        """The revocation that holds, and whether it did before; raises AmasError for a name that means nothing."""
        what = Revocable(principal.tenant, kind, name)
        standing = await self._store.newest(what)
        existed = standing is not None and standing.lifted_at is None
        if standing is None or not existed:
            if not force:
                await self._check(principal, what)
            active = await self._bundles.active(principal.tenant)
            await self._ask(principal, active[1] if active else None, {"revoke": [subject_of(what)]})
            standing, existed = await self._make(principal, what, reason)
        await carry_on(self._spread)
        return standing, existed

    async def _make(self, principal: Principal, what: Revocable, reason: str) -> tuple[Revocation, bool]:
        if await self._store.count(what.tenant) >= MAX_IN_FORCE:
            raise AmasError(
                ErrorKind.RESOURCE_EXHAUSTED,
                "REVOCATIONS_EXHAUSTED",
                f"{MAX_IN_FORCE} revocations hold already: lift some, or apply resources without what is revoked",
            )
        now = self._clock.now()
        number = new_run_id(now).removeprefix("run-")
        made = Revocation(f"rev-{number}", what.tenant, what.kind, what.name, reason, principal.subject, now)
        data = {"revocation": made.id, "kind": made.kind.value, "name": made.name, "reason": reason}
        record = AuditRecord(f"revocation-made:{what.tenant}/{made.id}", MADE, now, data=data)
        await self._audit.append_for_tenant(principal, record, "")
        return await self._store.add(made)

    async def _check(self, principal: Principal, what: Revocable) -> None:
        if what.kind is RevocationKind.PRINCIPAL:
            # Any subject may be revoked, also one that was never seen: its token may be on its way.
            if what.name == principal.subject:
                raise refused("REVOKES_ITSELF", "this would lock out the principal that asks: force it if it is meant")
            return
        known = await self._known(what)
        if what.name in known:
            return
        near = difflib.get_close_matches(what.name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "force it if it is meant all the same"
        raise AmasError(
            ErrorKind.NOT_FOUND, "REVOCABLE_NOT_FOUND", f"nothing in use has a {what.kind} {what.name}: {hint}"
        )

    async def _known(self, what: Revocable) -> list[str]:
        """Names of the kind in the active bundle and in those of runs under way."""
        digests = await self._store.bundles_in_use(what.tenant)
        if what.kind is RevocationKind.BUNDLE:
            found = await self._bundles.get(what.tenant, what.name)
            return [*digests, *([what.name] if found else [])]
        names: set[str] = set()
        for digest in digests:
            bundle = await self._bundles.pinned(what.tenant, digest)
            if bundle is not None:
                names |= _roles(bundle) if what.kind is RevocationKind.ROLE else _tools(bundle)
        return sorted(names)


def subject_of(what: Revocable) -> Key:
    """What policy is told of it: a kind as resources have it, and the name."""
    return _KINDS[what.kind], what.name


async def carry_on(spread: SpreadRevocations) -> None:
    """Spreads a change; raises AmasError UNAVAILABLE, reason REVOCATION_NOT_SPREAD, if that did not get everywhere."""
    try:
        await spread()
    except AmasError as error:
        raise AmasError(
            ErrorKind.UNAVAILABLE,
            "REVOCATION_NOT_SPREAD",
            f"it is on the record and stands, but has not reached every service yet ({error.reason}); ask again to see",
            retry_after=1.0,
        ) from error


def _roles(bundle: Bundle) -> set[str]:
    return {resource.metadata.name for resource in bundle.resources if isinstance(resource, AgentRole)}


def _tools(bundle: Bundle) -> set[str]:
    servers = [resource for resource in bundle.resources if isinstance(resource, ToolServer)]
    names = {server.metadata.name for server in servers}
    return names | {f"{server.metadata.name}/{tool}" for server in servers for tool in server.spec.tools}
