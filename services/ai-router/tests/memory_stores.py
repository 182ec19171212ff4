"""In-memory twins of what the router keeps: bundles, budgets, the ledger, and caches that keep nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from amas_ai_router.domain.budgets import Amount, BudgetRule, BudgetState, Hold
from amas_ai_router.domain.cache_keys import CacheKey
from amas_ai_router.domain.cached_answers import Begun, Lead
from amas_ai_router.domain.errors import fenced, unavailable
from amas_ai_router.domain.model import CallContext
from amas_ai_router.domain.records import CallRecord, KeptAnswer, KeyScope
from amas_ai_router.domain.usage_query import UsageGroup, UsageQuery, UsageSum
from amas_chassis.errors import AmasError


class MemoryBundles:
    """Bundle contents in a dictionary."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}

    async def content(self, digest: str) -> bytes | None:
        return self.contents.get(digest)

    async def put(self, digest: str, content: bytes) -> None:
        self.contents[digest] = content


class MemoryBudgets:
    """Counts holds and what became of each; refuses, or is away, when told so."""

    def __init__(self) -> None:
        self.held: list[Hold] = []
        self.settled: list[tuple[Hold, Amount]] = []
        self.released: list[Hold] = []
        self.refusal: AmasError | None = None
        self.in_time = True

    async def reserve(self, rules: Sequence[BudgetRule], context: CallContext, most: Amount) -> Hold:
        if self.refusal is not None:
            raise self.refusal
        hold = Hold(str(len(self.held)), context, tuple(rules), most, tuple("now" for _ in rules))
        self.held.append(hold)
        return hold

    async def settle(self, hold: Hold, spent: Amount) -> bool:
        self.settled.append((hold, spent))
        return self.in_time

    async def release(self, hold: Hold) -> None:
        self.released.append(hold)

    async def states(self, rules: Sequence[BudgetRule], tenant: str) -> Sequence[BudgetState]:
        return []


class NothingKept:
    """Ports `AnswerStore` and `SemanticStore` that keep nothing: every call asks a model."""

    async def begin(self, key: CacheKey, token: str) -> Begun:
        return Begun(None, Lead.MINE, token)

    async def renew(self, key: CacheKey, token: str) -> None: ...

    async def end(self, key: CacheKey, token: str, value: bytes | None, ttl: float) -> None: ...

    async def wait(self, key: CacheKey) -> None: ...

    async def forget(self, key: CacheKey) -> None: ...

    async def nearest(self, key: CacheKey, vector: Any) -> None: ...

    async def add(self, key: CacheKey, vector: Any, value: bytes, ttl: float) -> None: ...

    async def observe(self, key: CacheKey, entry_id: str, step: int, *, right: bool) -> None: ...


class MemoryLedger:
    """The ledger in lists, with the same promises as the real one."""

    def __init__(self) -> None:
        self.calls: list[CallRecord] = []
        self.kept: dict[KeyScope, KeptAnswer] = {}
        self.fence: dict[tuple[str, str], int] = {}
        self.away = False

    async def find_kept(self, scope: KeyScope, context: CallContext) -> KeptAnswer | None:
        self._here()
        if context.fencing_token < self.fence.get((scope.tenant, context.run_id), 0):
            raise fenced()
        return self.kept.get(scope)

    async def record(self, record: CallRecord, scope: KeyScope | None, kept: KeptAnswer | None) -> bool:
        self._here()
        context = record.context
        if context.fencing_token and context.run_id:
            place = (context.principal.tenant, context.run_id)
            if context.fencing_token < self.fence.get(place, 0):
                raise fenced()
            self.fence[place] = context.fencing_token
        if scope is not None and kept is not None:
            if scope in self.kept:
                return False
            self.kept[scope] = kept
        self.calls.append(record)
        return True

    async def sums(self, query: UsageQuery, after: UsageGroup | None, limit: int) -> Sequence[UsageSum]:
        self._here()
        sums: dict[UsageGroup, UsageSum] = {}
        for record in self.calls:
            context, report = record.context, record.report
            if context.principal.tenant != query.tenant or (query.run_id and context.run_id != query.run_id):
                continue
            if (query.since and record.time < query.since) or (query.until and record.time >= query.until):
                continue
            group = UsageGroup(
                context.run_id, context.role, record.route, report.provider, report.model, report.usage.currency
            )
            sums[group] = _added(sums.get(group), group, record)
        ordered = sorted(sums.values(), key=lambda row: _key(row.group))
        return [row for row in ordered if after is None or _key(row.group) > _key(after)][:limit]

    def outcomes(self) -> list[tuple[str, str]]:
        """Provider and outcome of each row, in order of both."""
        return sorted((record.report.provider, record.outcome) for record in self.calls)

    def _here(self) -> None:
        if self.away:
            raise unavailable("LEDGER_UNAVAILABLE", "away")


def _key(group: UsageGroup) -> tuple[str, ...]:
    return (group.run_id, group.role, group.route, group.provider, group.model, group.currency)


def _added(known: UsageSum | None, group: UsageGroup, record: CallRecord) -> UsageSum:
    usage = record.report.usage
    if known is None:
        return UsageSum(group, 1, usage)
    old, new = known.usage.tokens, usage.tokens
    tokens = replace(
        old,
        input=old.input + new.input,
        cached_input=old.cached_input + new.cached_input,
        output=old.output + new.output,
        estimated=old.estimated or new.estimated,
    )
    return UsageSum(group, known.calls + 1, replace(usage, tokens=tokens, cost=known.usage.cost + usage.cost))
