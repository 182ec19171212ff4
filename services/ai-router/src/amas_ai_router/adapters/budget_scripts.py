"""The budgets' scripts with typed calls; keeps Redis's time by their answers. Each is one round trip, and atomic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from amas_chassis.clock import Clock
from amas_chassis.redis_pipeline import RedisPipeline, Script, Word

from amas_ai_router.domain.budgets import Amount

from .budget_counters import MAX_SUBJECTS, Counter, TenantKeys, milliseconds, words_of

# A hold lives this long unless its process renews it, so a dead process's holds are back within it (milliseconds).
LEASE_MS = 15_000
# After the store was lost every process has this long to say what it holds: more than two renewals (milliseconds).
GRACE_MS = 9_000
# What was settled this long ago stands in the ledger (milliseconds).
RECENT_MS = 10_000
# A settlement is known as done for one to two of these, so that it can be repeated (milliseconds).
DONE_MS = 60_000
# Dead holds that one call buries.
MAX_PURGED = 100
# Keys of a tenant that has been idle this long are forgotten: longer than any window (milliseconds).
KEEP_MS = 40 * 86_400_000

_HERE = Path(__file__).parent
Sums = Mapping[str, Amount]


@dataclass(frozen=True, slots=True)
class Answer:
    """A script's verdict and the words after the time."""

    verdict: str
    words: list[str]


def _script(name: str) -> Script:
    return Script.read(_HERE / "budget_common.lua", _HERE / f"budget_{name}.lua")


class BudgetScripts:
    """All methods raise RedisAwayError. `offset_ms` moves Redis's time in tests; it is 0 otherwise."""

    def __init__(self, redis: RedisPipeline, clock: Clock, *, offset_ms: int = 0) -> None:
        self.offset_ms = offset_ms
        self._redis = redis
        self._clock = clock
        self._ahead = 0
        self._reserve, self._settle, self._release = _script("reserve"), _script("settle"), _script("release")
        self._renew, self._open, self._states = _script("renew"), _script("open"), _script("states")

    def now(self) -> int:
        """Redis's time as far as we know it, in milliseconds since 1970; scripts hold it against theirs."""
        return milliseconds(self._clock.now()) + self._ahead

    async def reserve(
        self, keys: TenantKeys, counters: Sequence[Counter], hold_id: str, most: Amount, sums: Sums, mode: str = "new"
    ) -> Answer:
        """See budget_reserve.lua."""
        words: list[Word] = [self.offset_ms, hold_id, LEASE_MS, *words_of(most), mode]
        words += [MAX_PURGED, MAX_SUBJECTS, RECENT_MS, KEEP_MS]
        now = self.now()
        for counter in counters:
            # What is put back belongs to the window that it was made in.
            bounds = counter.bounds() if mode == "new" else (0, 0)
            words += [*bounds, *counter.limits(), *_sum(sums, counter), counter.ttl(now), counter.member]
        named = [counter.key for counter in counters] + [counter.index for counter in counters]
        return await self._call(self._reserve, [keys.marker, keys.leases, keys.holds, *named], words)

    async def settle(
        self, keys: TenantKeys, counters: Sequence[Counter], hold_id: str, spent: Amount, sums: Sums, mode: str
    ) -> Answer:
        """See budget_settle.lua."""
        words: list[Word] = [self.offset_ms, hold_id, *words_of(spent), mode]
        words += [MAX_PURGED, MAX_SUBJECTS, RECENT_MS, DONE_MS]
        now = self.now()
        for counter in counters:
            words += [*counter.limits(), *_sum(sums, counter), counter.ttl(now), counter.member, *counter.alerts()]
        named = [counter.key for counter in counters] + [counter.index for counter in counters]
        return await self._call(self._settle, [keys.marker, keys.leases, keys.holds, keys.done, *named], words)

    async def release(self, keys: TenantKeys, hold_id: str) -> None:
        """See budget_release.lua."""
        await self._call(self._release, [keys.leases, keys.holds], [self.offset_ms, hold_id])

    async def renew(self, keys: TenantKeys, hold_ids: Sequence[str]) -> tuple[bool, list[str]]:
        """Whether the store is whole, and which holds are not there."""
        words: list[Word] = [self.offset_ms, LEASE_MS, KEEP_MS, *hold_ids]
        answer = await self._call(self._renew, [keys.marker, keys.leases, keys.holds], words)
        return answer.verdict == "OK", [hold_ids[int(word) - 1] for word in answer.words]

    async def open(self, keys: TenantKeys, grace_ms: int) -> None:
        """See budget_open.lua."""
        await self._call(self._open, [keys.marker], [self.offset_ms, grace_ms, KEEP_MS])

    async def states(self, keys: TenantKeys, counter: Counter, *, of_subjects: bool) -> Answer:
        """See budget_states.lua; the counter says which rule and window, its subject counts only without subjects."""
        words: list[Word] = [self.offset_ms, *counter.bounds(), MAX_PURGED, MAX_SUBJECTS if of_subjects else 0]
        return await self._call(self._states, [keys.leases, keys.holds, counter.index, counter.key], words)

    async def _call(self, script: Script, keys: Sequence[Word], words: Sequence[Word]) -> Answer:
        verdict, now, *rest = await self._redis.call(script, keys, words)
        self._ahead = int(now) - milliseconds(self._clock.now())
        return Answer(verdict.decode(), [word.decode() for word in rest])


def _sum(sums: Sums, counter: Counter) -> tuple[int, int]:
    known = sums.get(counter.key)
    return (-1, -1) if known is None else words_of(known)
