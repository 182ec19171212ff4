"""Rules, calls and a ledger for tests of budgets, and processes whose time a test moves."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from amas_ai_router.adapters.redis_budgets import RedisBudgets
from amas_ai_router.domain.budgets import (
    Amount,
    BudgetAlert,
    BudgetRule,
    BudgetState,
    Hold,
    Window,
    selection_of,
)
from amas_ai_router.domain.errors import unavailable
from amas_ai_router.domain.model import CallContext
from amas_chassis.clock import ManualClock
from amas_chassis.errors import AmasError
from amas_chassis.redis_pipeline import RedisPipeline, connect
from redis.asyncio import Redis

from .fakes import make_context

BUNDLE = "sha256:" + "0" * 64
# Seconds that a round trip to Redis may take in tests: a machine that is busy is no store that is away.
PATIENCE = 60.0


def make_rule(name: str = "b", *, cost: str | None = None, tokens: int | None = None, **changes: Any) -> BudgetRule:
    """A budget of the tenant acme for a day, in USD and tokens."""
    rule = BudgetRule(
        name=name,
        tenant="acme",
        role=None,
        principal=None,
        client_id=None,
        per=None,
        window=Window.DAY,
        cost=None if cost is None else Decimal(cost),
        currency="" if cost is None else "USD",
        tokens=tokens,
        alert_at=(),
    )
    return replace(rule, **changes)


def call_of(run_id: str = "", role: str = "", **changes: Any) -> CallContext:
    """A developer's call."""
    return make_context(BUNDLE, run_id=run_id, role=role, **changes)


def spend(tokens: int, cost: str = "0") -> Amount:
    """An amount."""
    return Amount(Decimal(cost), tokens)


def patient(redis_url: str) -> Redis:
    """The client of the budgets, which waits for a connection on a busy machine too."""
    redis = connect(redis_url)
    redis.connection_pool.connection_kwargs["socket_connect_timeout"] = PATIENCE
    return redis


class MemorySpending:
    """The ledger's sums in a list; `away` makes it fail."""

    def __init__(self) -> None:
        self.rows: list[tuple[datetime, CallContext, Amount]] = []
        self.away = False
        self.asked = 0

    def record(self, time: datetime, context: CallContext, spent: Amount) -> None:
        self.rows.append((time, context, spent))

    async def spent(self, rule: BudgetRule, tenant: str, subject: str, since: datetime | None) -> Amount:
        self.asked += 1
        if self.away:
            raise unavailable("LEDGER_UNAVAILABLE", "away")
        chosen = selection_of(rule, subject)
        cost, tokens = Decimal(0), 0
        for time, context, spent in self.rows:
            principal = context.principal
            if (
                principal.tenant == tenant
                and (since is None or time >= since)
                and chosen.run_id in (None, context.run_id)
                and chosen.role in (None, context.role)
                and chosen.principal in (None, principal.subject)
                and chosen.client_id in (None, principal.client_id)
            ):
                cost, tokens = cost + spent.cost, tokens + spent.tokens
        return Amount(cost, tokens)


class _Pipeline(RedisPipeline):
    """A pipeline whose server a test can have start again."""

    def __init__(self, redis: Redis, clock: ManualClock, store: Store) -> None:
        super().__init__(redis, clock, timeout=PATIENCE)
        self._store = store

    async def _connect(self) -> None:
        await super()._connect()
        self._server += str(self._store.starts).encode()


@dataclass
class Store:
    """One Redis, a ledger, and as many router processes as a test wants; time moves for all of them together."""

    redis_url: str
    start: datetime = datetime(2026, 3, 11, 12, 30, tzinfo=UTC)
    spending: MemorySpending = field(default_factory=MemorySpending)
    alerts: list[BudgetAlert] = field(default_factory=list)
    shares: list[tuple[str, str, float]] = field(default_factory=list)
    starts: int = 0

    async def open(self) -> Store:
        """Sets Redis's time, as scripts see it, to the start."""
        self.redis: Redis = patient(self.redis_url)
        await self.redis.flushall()
        seconds, micros = await self.redis.time()
        self.offset_ms = int(self.start.timestamp() * 1000) - (int(seconds) * 1000 + int(micros) // 1000)
        self.clock = ManualClock(self.start)
        self.processes: list[Process] = []
        return self

    def process(self, skew_seconds: float = 0.0) -> Process:
        """Another router; its clock may be wrong."""
        clock = self.clock
        if skew_seconds:
            clock = ManualClock(self.clock.now())
            clock._now = datetime.fromtimestamp(self.clock.now().timestamp() + skew_seconds, UTC)
        pipeline = _Pipeline(self.redis, clock, self)
        budgets = RedisBudgets(
            pipeline,
            self.spending,
            clock,
            alerts=self.alerts.append,
            shares=lambda *seen: self.shares.append(seen),
            offset_ms=self.offset_ms,
        )
        made = Process(budgets, pipeline, clock)
        self.processes.append(made)
        return made

    def advance(self, seconds: float) -> None:
        """Time passes."""
        self.offset_ms += int(seconds * 1000)
        for process in self.processes:
            process.budgets.scripts.offset_ms = self.offset_ms
        for clock in {id(process.clock): process.clock for process in self.processes}.values():
            clock.advance(seconds)
        if all(process.clock is not self.clock for process in self.processes):
            self.clock.advance(seconds)

    async def start_again(self, snapshot: dict[bytes, bytes]) -> None:
        """Redis starts again, with what an earlier snapshot holds."""
        self.starts += 1
        for process in self.processes:
            await process.pipeline._connection.disconnect()
        await self.redis.flushall()
        for key, content in snapshot.items():
            await self.redis.restore(key, 0, content)

    async def snapshot(self) -> dict[bytes, bytes]:
        """All that Redis holds now."""
        return {key: await self.redis.dump(key) for key in await self.redis.keys("*")}

    async def close(self) -> None:
        """Ends all connections."""
        for process in self.processes:
            await process.pipeline.close()
        await self.redis.aclose()


@dataclass
class Process:
    """One router's budgets."""

    budgets: RedisBudgets
    pipeline: RedisPipeline
    clock: ManualClock

    async def spend(self, rules: list[BudgetRule], context: CallContext, amount: Amount) -> Hold:
        """Reserves and settles."""
        hold = await self.budgets.reserve(rules, context, amount)
        assert await self.budgets.settle(hold, amount)
        return hold


async def refused(awaitable: object) -> AmasError:
    """The error that it ends with."""
    with pytest.raises(AmasError) as caught:
        await awaitable  # type: ignore[misc]
    return caught.value


async def state_of(store: Store, rule: BudgetRule) -> BudgetState:
    """The one state of a rule, seen by a process of its own."""
    (state,) = await store.process().budgets.states([rule], "acme")
    return state
