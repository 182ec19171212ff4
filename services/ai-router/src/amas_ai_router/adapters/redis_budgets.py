"""Hard budgets in Redis, over all routers: one script a verb, all rules of a call or none.

Money is counted in whole hundred-millionths, rounded up. Postgres is the truth: a counter begins with the ledger's sum,
and a store that was lost (its marker is gone) is built again from it, after a grace in which every process puts back
what it holds. A call that no rule covers never comes here. Redis must not evict keys (`noeviction`).

What was told as settled while Redis was away counts when it is back, whatever is left. A store that is lost within
the moment between a tenant's first settlement in an hour and its row in the ledger forgets that settlement.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence

from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError
from amas_chassis.redis_pipeline import RedisAwayError, RedisPipeline

from amas_ai_router.domain.budget_amounts import cost_of
from amas_ai_router.domain.budget_errors import budget_exceeded, budgets_rebuilding, budgets_unavailable
from amas_ai_router.domain.budget_windows import span_at, span_of_id
from amas_ai_router.domain.budgets import (
    Amount,
    BudgetAlert,
    BudgetRule,
    BudgetState,
    Hold,
    Window,
    subject_of,
)
from amas_ai_router.domain.model import CallContext
from amas_ai_router.ports import Spending

from .budget_counters import Counter, Counters, Held, TenantKeys, instant
from .budget_leases import BudgetLeases
from .budget_scripts import GRACE_MS, Answer, BudgetScripts
from .budget_sums import LedgerSums

# Round trips of one verb: another window, a new store, counters to begin, and each of them once more.
MAX_TRIES = 6

_log = logging.getLogger(__name__)


def _ignore_share(tenant: str, budget: str, share: float) -> None:
    """Nobody measures."""


class RedisBudgets:
    """See ports.Budgets. `run` must run for as long as calls do.

    `alerts` is called once over all routers when a threshold is first reached in a window (again after the store was
    lost); `shares` with tenant, budget and the share of it that is used, after each settlement.
    """

    def __init__(
        self,
        redis: RedisPipeline,
        spending: Spending,
        clock: Clock,
        *,
        alerts: Callable[[BudgetAlert], None],
        shares: Callable[[str, str, float], None] = _ignore_share,
        offset_ms: int = 0,
    ) -> None:
        self.scripts = BudgetScripts(redis, clock, offset_ms=offset_ms)
        self.leases = BudgetLeases(self.scripts, clock, self._counted)
        self._sums = LedgerSums(spending)
        self._counters = Counters()
        self._clock = clock
        self._alerts = alerts
        self._shares = shares

    async def run(self) -> None:
        """Renews this process's holds until cancelled."""
        await self.leases.run()

    async def drain(self) -> None:
        """Settles before an exit what waits for Redis; bounded."""
        await self.leases.drain()

    async def reserve(self, rules: Sequence[BudgetRule], context: CallContext, most: Amount) -> Hold:
        """See ports.Budgets."""
        tenant = context.principal.tenant
        hold_id, keys, known = secrets.token_urlsafe(9), TenantKeys.of(tenant), tuple(rules)
        try:
            counters, asked = await self._reserve(keys, known, context, hold_id, most)
        except RedisAwayError as error:
            self._give_up(hold_id, keys, known, context, most)
            raise budgets_unavailable() from error
        except asyncio.CancelledError:
            # The script may be on its way, and nobody will settle what it holds.
            self._give_up(hold_id, keys, known, context, most)
            raise
        hold = Hold(hold_id, context, known, most, tuple(counter.span.id for counter in counters))
        self.leases.add(Held(hold, keys, counters, since=asked, confirmed=asked))
        return hold

    async def _reserve(
        self, keys: TenantKeys, rules: tuple[BudgetRule, ...], context: CallContext, hold_id: str, most: Amount
    ) -> tuple[list[Counter], float]:
        sums: dict[str, Amount] = {}
        tenant = context.principal.tenant
        for _ in range(MAX_TRIES):
            asked = self._clock.monotonic()
            counters = self._counters.for_call(rules, context, instant(self.scripts.now()))
            answer = await self.scripts.reserve(keys, counters, hold_id, most, sums)
            if answer.verdict == "OK":
                return counters, asked
            if answer.verdict == "EXCEEDED":
                raise _exceeded(counters, answer)
            if answer.verdict == "REBUILDING":
                raise budgets_rebuilding(int(answer.words[0]) / 1000)
            if answer.verdict == "MISSING":
                sums |= await self._sums.of([counters[int(word) - 1] for word in answer.words], tenant)
            elif answer.verdict == "NEW":
                await self._open(keys, tenant)
        raise budgets_unavailable()

    async def settle(self, hold: Hold, spent: Amount) -> bool:
        """See ports.Budgets. True while Redis is away: it counts when Redis is back."""
        held = self.leases.get(hold.id) or self._lapsed(hold)
        held.settling = True
        try:
            answer = await self._settle(held, spent)
        except RedisAwayError:
            _log.warning("Redis is away: hold %s is settled later", hold.id)
            self.leases.later(held, spent)
            return True
        except asyncio.CancelledError:
            # Whether it is done already does not matter: it is done once.
            self.leases.later(held, spent)
            raise
        self.leases.remove(hold.id)
        if answer.verdict != "OK":
            return False
        self._counted(held, answer)
        return True

    async def _settle(self, held: Held, spent: Amount) -> Answer:
        sums: dict[str, Amount] = {}
        hold = held.hold
        for _ in range(MAX_TRIES):
            mode = "held" if self.leases.holds_lease(held) else "lapsed"
            answer = await self.scripts.settle(held.keys, held.counters, hold.id, spent, sums, mode)
            if answer.verdict != "MISSING":
                return answer
            missing = [held.counters[int(word) - 1] for word in answer.words]
            try:
                sums |= await self._sums.of(missing, hold.context.principal.tenant)
            except AmasError:
                break
        return Answer("LATE", [])

    async def release(self, hold: Hold) -> None:
        """See ports.Budgets."""
        held = self.leases.get(hold.id) or self._lapsed(hold)
        self.leases.remove(hold.id)
        await self._release(held)

    async def _release(self, held: Held) -> None:
        try:
            await self.scripts.release(held.keys, held.hold.id)
        except RedisAwayError:
            self.leases.later(held, None)

    async def states(self, rules: Sequence[BudgetRule], tenant: str) -> Sequence[BudgetState]:
        """See ports.Budgets. At most MAX_SUBJECTS of a rule: those that were new last."""
        try:
            return [state for rule in rules for state in await self._states(rule, tenant)]
        except RedisAwayError as error:
            raise budgets_unavailable() from error

    async def _states(self, rule: BudgetRule, tenant: str) -> list[BudgetState]:
        keys = TenantKeys.of(tenant)
        of_subjects = rule.per is not None or rule.window is Window.RUN
        for _ in range(MAX_TRIES):
            span = span_at(rule.window, instant(self.scripts.now()))
            counter = self._counters.counter(rule, tenant, "", span)
            answer = await self.scripts.states(keys, counter, of_subjects=of_subjects)
            if answer.verdict == "OK":
                break
        else:
            raise budgets_unavailable()
        states = []
        for first in range(0, len(answer.words), 6):
            subject, begun, *numbers = answer.words[first : first + 6]
            cost, tokens, held_cost, held_tokens = (int(number) for number in numbers)
            used = Amount(cost_of(cost), tokens)
            if begun != "1":
                mine = self._counters.counter(rule, tenant, subject, span)
                used = (await self._sums.of([mine], tenant))[mine.key]
            reserved = Amount(cost_of(held_cost), held_tokens)
            states.append(BudgetState(rule, subject, span.start, span.end, used, reserved))
        return sorted(states, key=lambda state: state.subject)

    async def _open(self, keys: TenantKeys, tenant: str) -> None:
        """A store without a marker: new to this tenant, or lost. Only who cannot have lost anything need not wait."""
        try:
            new = not self.leases.knows(tenant) and await self._sums.quiet(tenant, instant(self.scripts.now()))
        except (AmasError, TimeoutError) as error:
            raise budgets_unavailable() from error
        await self.scripts.open(keys, 0 if new else GRACE_MS)

    def _give_up(
        self, hold_id: str, keys: TenantKeys, rules: tuple[BudgetRule, ...], context: CallContext, most: Amount
    ) -> None:
        """Gives back, at the next turn, what may be held for a call that is over."""
        hold = Hold(hold_id, context, rules, most, ())
        self.leases.later(Held(hold, keys, [], since=0.0, confirmed=0.0), None)

    def _lapsed(self, hold: Hold) -> Held:
        """A hold that is renewed no more, from what it says itself."""
        tenant = hold.context.principal.tenant
        counters = [
            self._counters.counter(rule, tenant, subject_of(rule, hold.context), span_of_id(rule.window, window))
            for rule, window in zip(hold.rules, hold.windows, strict=True)
        ]
        return Held(hold, TenantKeys.of(tenant), counters, since=0.0, confirmed=float("-inf"))

    def _counted(self, held: Held, answer: Answer) -> None:
        """Tells of what a settlement reached."""
        tenant = held.hold.context.principal.tenant
        numbers = [int(word) for word in answer.words[: 2 * len(held.counters)]]
        used = list(zip(numbers[::2], numbers[1::2], strict=True))
        for counter, (cost, tokens) in zip(held.counters, used, strict=True):
            limits = zip((cost, tokens), counter.limits(), strict=True)
            share = max((amount / limit for amount, limit in limits if limit > 0), default=0.0)
            self._shares(tenant, counter.rule.name, share)
        words = iter(answer.words[2 * len(held.counters) :])
        for place, share_text in zip(words, words, strict=True):
            counter, (cost, tokens) = held.counters[int(place) - 1], used[int(place) - 1]
            amount = Amount(cost_of(cost), tokens)
            self._alerts(BudgetAlert(counter.rule, counter.subject, float(share_text), amount, held.hold.context))


def _exceeded(counters: Sequence[Counter], answer: Answer) -> AmasError:
    place, cost, tokens, held_cost, held_tokens = (int(word) for word in answer.words)
    counter = counters[place - 1]
    cost_limit, token_limit = counter.limits()
    left = Amount(cost_of(max(0, cost_limit - cost - held_cost)), max(0, token_limit - tokens - held_tokens))
    end = counter.span.end
    renews_at = "" if end is None else end.isoformat().replace("+00:00", "Z")
    return budget_exceeded(counter.rule, left, renews_at)
