"""In-memory twins of the truth about revocations and of the copy that sidecars share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.revocations import Revocable, RevocationKind, Revoked
from amas_orchestrator.domain.revocations import Revocation

from .fake_stores import FakeBundles, FakeRuns


class FakeRevocations:
    """RevocationStore on a list."""

    def __init__(self, runs: FakeRuns, bundles: FakeBundles) -> None:
        self._bundles = bundles
        self.kept: list[Revocation] = []
        self.version = 1
        self.away = False
        self._runs = runs

    async def current(self) -> Revoked:
        if self.away:
            raise AmasError(ErrorKind.UNAVAILABLE, "DATABASE_UNAVAILABLE", "the database is away")
        return Revoked(self.version, frozenset(one.what for one in self.kept if one.lifted_at is None))

    async def newest(self, what: Revocable) -> Revocation | None:
        found = [one for one in self.kept if one.what == what]
        return next((one for one in found if one.lifted_at is None), found[-1] if found else None)

    async def count(self, tenant: str) -> int:
        return sum(one.tenant == tenant and one.lifted_at is None for one in self.kept)

    async def add(self, revocation: Revocation) -> tuple[Revocation, bool]:
        standing = await self.newest(revocation.what)
        if standing is not None and standing.lifted_at is None:
            return standing, True
        self.version += 1
        self.kept.append(revocation)
        return revocation, False

    async def lift(self, what: Revocable, by: str, reason: str, now: datetime) -> tuple[Revocation | None, bool]:
        standing = await self.newest(what)
        if standing is None or standing.lifted_at is not None:
            return standing, True
        self.version += 1
        lifted = replace(standing, lifted_at=now, lifted_by=by, lift_reason=reason)
        self.kept[self.kept.index(standing)] = lifted
        return lifted, False

    async def page(self, tenant: str, size: int, before: str, *, lifted_too: bool) -> list[Revocation]:
        found = [one for one in self.kept if one.tenant == tenant and (lifted_too or one.lifted_at is None)]
        found = [one for one in found if not before or one.id < before]
        return sorted(found, key=lambda one: one.id, reverse=True)[:size]

    async def bundles_in_use(self, tenant: str) -> Sequence[str]:
        pinned = {run.bundle for run in self._runs.runs.values() if run.tenant == tenant and not run.state.ended}
        active = self._bundles.active_digest.get(tenant)
        return sorted(pinned | ({active} if active else set()))

    async def touched_runs(self, limit: int) -> list[tuple[str, Revocable]]:
        found = []
        for run in self._runs.runs.values():
            wanted = [
                Revocable(run.tenant, RevocationKind.PRINCIPAL, run.principal.subject),
                Revocable(run.tenant, RevocationKind.BUNDLE, run.bundle),
                *(Revocable(run.tenant, RevocationKind.ROLE, role) for role in self._at_work(run.id)),
            ]
            one = (await self.current()).first(wanted)
            if one is not None and not run.state.ended and run.cancel is None:
                found.append((run.id, one))
        return found[:limit]

    def _at_work(self, run_id: str) -> list[str]:
        events = [event for event in self._runs.written[run_id] if event.kind == "step_state_changed"]
        newest = {event.step: event.payload for event in events}
        return [payload["role"] for payload in newest.values() if payload["state"] in ("running", "waiting")]


class FakeCopies:
    """RevocationCopies that can be lost or away."""

    def __init__(self) -> None:
        self.held: Revoked | None = None
        self.away = False
        self.handed_over = 0

    async def version(self) -> int:
        self._answer()
        return 0 if self.held is None else self.held.version

    async def replace(self, revoked: Revoked) -> int:
        self._answer()
        self.handed_over += 1
        if self.held is None or revoked.version > self.held.version:
            self.held = revoked
        return self.held.version

    def _answer(self) -> None:
        if self.away:
            raise AmasError(ErrorKind.UNAVAILABLE, "RPC_UNAVAILABLE", "away")
