"""The holds of this process: renewed together, put back after Redis was lost, and settled later while it is away.

A hold that is not renewed for its lease is nobody's: so what a dead process held is back within it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from amas_chassis.clock import Clock
from amas_chassis.redis_pipeline import RedisAwayError

from amas_ai_router.domain.budgets import Amount

from .budget_counters import MAX_HOLD_SECONDS, Held, TenantKeys
from .budget_scripts import GRACE_MS, LEASE_MS, Answer, BudgetScripts

# Three renewals may fail before a lease runs out.
RENEW_SECONDS = 4.0
# Holds renewed by one script call.
MAX_RENEWED = 500
# Settlements and releases that wait for Redis; more than this, and the oldest is given up.
MAX_LATER = 10_000
# How long an exit waits for Redis to take what waits for it, and between two tries, in seconds.
DRAIN_SECONDS = 4.0
DRAIN_TRY_SECONDS = 0.25

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Later:
    """What is to be done when Redis is back; nothing was spent where `spent` is None."""

    held: Held
    spent: Amount | None


class BudgetLeases:
    """Living holds by id. `counted` is told of settlements that were done later."""

    def __init__(self, scripts: BudgetScripts, clock: Clock, counted: Callable[[Held, Answer], None]) -> None:
        self._scripts = scripts
        self._clock = clock
        self._counted = counted
        self._living: dict[str, Held] = {}
        self._later: deque[Later] = deque()

    def __len__(self) -> int:
        """Holds that are renewed."""
        return len(self._living)

    def add(self, held: Held) -> None:
        """Renews a hold from now on."""
        self._living[held.hold.id] = held

    def get(self, hold_id: str) -> Held | None:
        """A living hold."""
        return self._living.get(hold_id)

    def remove(self, hold_id: str) -> None:
        """Renews a hold no more."""
        self._living.pop(hold_id, None)

    def holds_lease(self, held: Held) -> bool:
        """Whether a hold is ours as far as we know: no purge can have come before its lease ran out."""
        return self._clock.monotonic() - held.confirmed < LEASE_MS / 1000

    def knows(self, tenant: str) -> bool:
        """Whether this process holds something for a tenant."""
        return any(held.hold.context.principal.tenant == tenant for held in self._living.values())

    def later(self, held: Held, spent: Amount | None) -> None:
        """Remembers what Redis could not be told."""
        if len(self._later) >= MAX_LATER:
            lost = self._later.popleft()
            self.remove(lost.held.hold.id)
            _log.error("too much waits for Redis: hold %s is in the ledger alone", lost.held.hold.id)
        self._later.append(Later(held, spent))

    async def run(self) -> None:
        """Renews until cancelled."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await self.turn()

    async def turn(self) -> None:
        """One round: what is due, then renewals. Redis away is borne; the next round tries again."""
        try:
            await self._catch_up()
            for keys, holds in self._by_tenant().items():
                for first in range(0, len(holds), MAX_RENEWED):
                    await self._renew(keys, holds[first : first + MAX_RENEWED])
        except RedisAwayError as error:
            if self._living or self._later:
                _log.warning(
                    "budgets wait for Redis (%s): %d holds, %d to do", error, len(self._living), len(self._later)
                )

    async def drain(self) -> None:
        """Does before an exit what waits for Redis, within a bound: else its counters would stay below the ledger."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while self._later:
                    await self.turn()
                    if self._later:
                        await asyncio.sleep(DRAIN_TRY_SECONDS)
        if self._later:
            _log.error("Redis was not told of %d settlements and releases", len(self._later))

    async def _catch_up(self) -> None:
        for _ in range(len(self._later)):
            todo = self._later[0]
            hold, keys = todo.held.hold, todo.held.keys
            if todo.spent is None:
                await self._scripts.release(keys, hold.id)
            else:
                # The caller was told that it counts, and the ledger has it: so it counts, whatever is left.
                answer = await self._scripts.settle(keys, todo.held.counters, hold.id, todo.spent, {}, "force")
                self._counted(todo.held, answer)
            # Another round may have done it while this one waited.
            if self._later and self._later[0] is todo:
                self._later.popleft()
            self.remove(hold.id)

    def _by_tenant(self) -> dict[TenantKeys, list[Held]]:
        oldest = self._clock.monotonic() - MAX_HOLD_SECONDS
        grouped: dict[TenantKeys, list[Held]] = {}
        for held in list(self._living.values()):
            if held.since < oldest:
                self.remove(held.hold.id)
            else:
                grouped.setdefault(held.keys, []).append(held)
        return grouped

    async def _renew(self, keys: TenantKeys, holds: list[Held]) -> None:
        asked = self._clock.monotonic()
        whole, missing = await self._scripts.renew(keys, [held.hold.id for held in holds])
        if not whole:
            _log.error("the budgets of a tenant were lost in Redis: %d holds are put back", len(missing))
            await self._scripts.open(keys, GRACE_MS)
        gone = set(missing)
        for held in holds:
            if held.hold.id not in gone:
                held.confirmed = asked
            elif not held.settling and held.hold.id in self._living:
                await self._put_back(held)

    async def _put_back(self, held: Held) -> None:
        asked = self._clock.monotonic()
        mode = "restore" if self.holds_lease(held) else "again"
        answer = await self._scripts.reserve(held.keys, held.counters, held.hold.id, held.hold.most, {}, mode)
        if answer.verdict == "OK":
            held.confirmed = asked
        elif answer.verdict not in ("NEW", "REBUILDING"):
            # It does not fit any more; whether what it spends does is seen when it is settled.
            self.remove(held.hold.id)
