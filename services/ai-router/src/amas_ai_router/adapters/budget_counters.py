"""Names in Redis of a budget's counters, and what scripts are told about each. A tenant's keys have one hash tag."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import quote

from amas_ai_router.domain.bounded_cache import BoundedCache
from amas_ai_router.domain.budget_amounts import units_down, units_up
from amas_ai_router.domain.budget_windows import Span, span_at
from amas_ai_router.domain.budgets import Amount, BudgetRule, Hold, Window, subject_of
from amas_ai_router.domain.model import CallContext

PREFIX = "amas:router:budget:"
# The longest that a hold is renewed, in seconds: no answer takes longer, and counters outlive their window by it.
MAX_HOLD_SECONDS = 3_600
# A run's counter is forgotten this long after its last call, in seconds; the ledger knows what it used.
RUN_SECONDS = 3 * 86_400
# Subjects of one rule and window that can be listed; all are counted.
MAX_SUBJECTS = 1_000
# Rules whose digests are in memory.
MAX_RULES = 4_096
_NONE = -1


@dataclass(frozen=True, slots=True)
class TenantKeys:
    """Keys that a tenant has once."""

    marker: str
    leases: str
    holds: str
    done: str
    base: str

    @classmethod
    def of(cls, tenant: str) -> TenantKeys:
        """The keys; a tenant's name can say nothing that ends its tag."""
        base = f"{PREFIX}{{{quote(tenant, safe='')}}}:"
        return cls(f"{base}whole", f"{base}leases", f"{base}holds", f"{base}done:", base)


@dataclass(frozen=True, slots=True)
class Counter:
    """One rule for one subject in one window."""

    rule: BudgetRule
    subject: str
    span: Span
    key: str
    index: str
    # Empty for a rule without subjects, which needs no index.
    member: str

    def bounds(self) -> tuple[int, int]:
        """The window in milliseconds since 1970; 0 and 0 for a run."""
        if self.span.start is None or self.span.end is None:
            return 0, 0
        return milliseconds(self.span.start), milliseconds(self.span.end)

    def limits(self) -> tuple[int, int]:
        """Cost in units and tokens; -1 where there is no limit."""
        rule = self.rule
        return (
            _NONE if rule.cost is None else units_down(rule.cost),
            _NONE if rule.tokens is None else rule.tokens,
        )

    def ttl(self, now: int) -> int:
        """Milliseconds that the counter is still needed for."""
        if self.span.end is None:
            return RUN_SECONDS * 1000
        return max(0, milliseconds(self.span.end) - now) + MAX_HOLD_SECONDS * 1000

    def alerts(self) -> list[str | int]:
        """How many thresholds, then for each its share and the amounts that reach it."""
        words: list[str | int] = [len(self.rule.alert_at)]
        cost, tokens = self.limits()
        for share in self.rule.alert_at:
            part = Decimal(repr(share))
            reached = [_NONE if limit == _NONE else _part(limit, part) for limit in (cost, tokens)]
            words += [repr(share), *reached]
        return words


def _part(limit: int, share: Decimal) -> int:
    # Whole and at least one, so that nothing used reaches nothing.
    return max(1, -int(-(limit * share) // 1))


class Counters:
    """Makes counters; remembers what a rule is called in keys."""

    def __init__(self) -> None:
        self._digests: BoundedCache[BudgetRule, str] = BoundedCache(MAX_RULES)
        self._spans: dict[Window, Span] = {}

    def for_call(self, rules: tuple[BudgetRule, ...], context: CallContext, now: datetime) -> list[Counter]:
        """The counters of a call, one a rule, in the windows of an instant."""
        tenant = context.principal.tenant
        return [self.counter(rule, tenant, subject_of(rule, context), self._span(rule.window, now)) for rule in rules]

    def counter(self, rule: BudgetRule, tenant: str, subject: str, span: Span) -> Counter:
        """One counter."""
        digest = self._digest(rule)
        base = TenantKeys.of(tenant).base
        index = f"{base}subjects:{digest}:{span.id}"
        if not subject:
            return Counter(rule, subject, span, f"{base}used:{digest}:{span.id}", index, "")
        named = hashlib.sha256(subject.encode()).hexdigest()[:32]
        key = f"{base}used:{digest}:{span.id}:{named}"
        return Counter(rule, subject, span, key, index, f"{key} {subject}")

    def _span(self, window: Window, now: datetime) -> Span:
        known = self._spans.get(window)
        if known is None or (known.start and known.end and not known.start <= now < known.end):
            known = self._spans[window] = span_at(window, now)
        return known

    def _digest(self, rule: BudgetRule) -> str:
        """What a rule counts, not how much it allows: a raised limit goes on with what was used."""
        digest = self._digests.get(rule)
        if digest is None:
            counts = (rule.name, rule.tenant, rule.role, rule.principal, rule.client_id, rule.per, rule.window)
            digest = hashlib.sha256(repr((*counts, rule.currency)).encode()).hexdigest()[:24]
            self._digests.put(rule, digest)
        return digest


@dataclass(slots=True)
class Held:
    """A hold of this process, and when (monotonic, seconds) Redis last said that it holds."""

    hold: Hold
    keys: TenantKeys
    counters: list[Counter]
    since: float
    confirmed: float
    settling: bool = False


def milliseconds(time: datetime) -> int:
    """Since 1970, as scripts count."""
    return int(time.timestamp()) * 1000 + time.microsecond // 1000


def instant(now: int) -> datetime:
    """The instant of such a number."""
    return datetime.fromtimestamp(now / 1000, UTC)


def words_of(amount: Amount) -> tuple[int, int]:
    """Cost in units, rounded up, and tokens."""
    return units_up(amount.cost), amount.tokens
