"""Budgets in the service's words: whose spending a rule counts, in which window, and what is held for a call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from urllib.parse import quote, unquote

from .model import CallContext


class Window(StrEnum):
    """The span that a budget holds for; `run` is the life of one run."""

    RUN = "run"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Per(StrEnum):
    """What gets a budget of its own under one rule."""

    RUN = "run"
    ROLE = "role"
    PRINCIPAL = "principal"
    CLIENT_ID = "clientId"


@dataclass(frozen=True, slots=True)
class BudgetRule:
    """One Budget resource. What is None is not asked for (subject) or not bounded (cost, tokens)."""

    name: str
    tenant: str | None
    role: str | None
    principal: str | None
    client_id: str | None
    per: Per | None
    window: Window
    cost: Decimal | None
    currency: str
    tokens: int | None
    alert_at: tuple[float, ...]

    def covers(self, context: CallContext) -> bool:
        """Whether a call counts under this rule. A call outside a run has no run to count for."""
        principal = context.principal
        return (
            self.tenant in (None, principal.tenant)
            and self.role in (None, context.role)
            and self.principal in (None, principal.subject)
            and self.client_id in (None, principal.client_id)
            and (bool(context.run_id) or (self.window is not Window.RUN and self.per is not Per.RUN))
        )


@dataclass(frozen=True, slots=True)
class Amount:
    """Money (in the budget's currency) and tokens, input and output together."""

    cost: Decimal
    tokens: int


@dataclass(frozen=True, slots=True)
class Hold:
    """What is reserved for one attempt: by which rules, under which id, and at most how much."""

    id: str
    context: CallContext
    rules: tuple[BudgetRule, ...]
    most: Amount
    # Windows that the reservation was made in, as the store names them; one an entry of `rules`.
    windows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BudgetState:
    """One rule for one subject in its current window; a run's budget has neither start nor renewal."""

    rule: BudgetRule
    subject: str
    window_start: datetime | None
    renews_at: datetime | None
    used: Amount
    reserved: Amount


@dataclass(frozen=True, slots=True)
class BudgetAlert:
    """A share of a budget that was reached for the first time in its window, by this call."""

    rule: BudgetRule
    subject: str
    # Of the budget's threshold: 0.8 is four fifths.
    share: float
    used: Amount
    context: CallContext


@dataclass(frozen=True, slots=True)
class Selection:
    """Which calls of a tenant a counter adds up; None is any."""

    run_id: str | None
    role: str | None
    principal: str | None
    client_id: str | None


def rules_for(rules: Sequence[BudgetRule], context: CallContext) -> tuple[BudgetRule, ...]:
    """The rules that a call counts under."""
    return tuple(rule for rule in rules if rule.covers(context))


def subject_of(rule: BudgetRule, context: CallContext) -> str:
    """What has a counter of its own under the rule: the value of `per`; with a window of `run`, the run (before it)."""
    if rule.per is None or rule.per is Per.RUN:
        return context.run_id if rule.per is Per.RUN or rule.window is Window.RUN else ""
    values = {Per.ROLE: context.role, Per.PRINCIPAL: context.principal.subject}
    value = values.get(rule.per, context.principal.client_id)
    return f"{quote(context.run_id, safe='')}/{value}" if rule.window is Window.RUN else value


def selection_of(rule: BudgetRule, subject: str) -> Selection:
    """The calls that count for a subject of the rule, as `subject_of` named it."""
    per = rule.per
    run_id, value = None, subject
    if rule.window is Window.RUN and per not in (None, Per.RUN):
        head, _, value = subject.partition("/")
        run_id = unquote(head)
    elif rule.window is Window.RUN or per is Per.RUN:
        run_id = subject
    return Selection(
        run_id=run_id,
        role=value if per is Per.ROLE else rule.role,
        principal=value if per is Per.PRINCIPAL else rule.principal,
        client_id=value if per is Per.CLIENT_ID else rule.client_id,
    )
