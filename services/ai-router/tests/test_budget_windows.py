"""Where windows begin and end, and whose spending counts under a rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from amas_ai_router.domain.budget_amounts import cost_of, units_down, units_up
from amas_ai_router.domain.budget_windows import span_at, span_of_id
from amas_ai_router.domain.budgets import Per, Selection, Window, rules_for, selection_of, subject_of
from hypothesis import given
from hypothesis import strategies as st

from .budget_fakes import call_of, make_rule

TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - aware by `timezones`
CALENDAR = st.sampled_from([Window.HOUR, Window.DAY, Window.WEEK, Window.MONTH])


@given(window=CALENDAR, now=TIMES)
def test_every_instant_is_in_one_window(window: Window, now: datetime) -> None:
    """Windows follow one another without a gap, and an id finds its window again."""
    span = span_at(window, now)
    assert span.start is not None
    assert span.end is not None
    assert span.start <= now < span.end
    assert span_at(window, span.end).start == span.end
    assert span_at(window, span.end - timedelta(microseconds=1)) == span
    assert span_of_id(window, span.id) == span


@pytest.mark.parametrize(
    ("window", "start", "end"),
    [
        (Window.HOUR, datetime(2024, 2, 29, 23, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)),
        (Window.DAY, datetime(2024, 2, 29, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)),
        (Window.WEEK, datetime(2024, 2, 26, tzinfo=UTC), datetime(2024, 3, 4, tzinfo=UTC)),
        (Window.MONTH, datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)),
        (Window.RUN, None, None),
    ],
)
def test_windows_begin_as_documented(window: Window, start: datetime | None, end: datetime | None) -> None:
    """The hour, midnight, Monday and the first, in UTC; a run has no calendar."""
    span = span_at(window, datetime(2024, 2, 29, 23, 59, tzinfo=UTC))
    assert (span.start, span.end) == (start, end)
    assert span_of_id(window, span.id) == span


@given(cost=st.decimals(0, 50_000_000, allow_nan=False, places=10))
def test_money_is_never_rounded_in_favour_of_the_call(cost: Decimal) -> None:
    """What is held is at least what it is, a limit at most; what is whole comes back exactly, within 2^53."""
    assert cost_of(units_down(cost)) <= cost <= cost_of(units_up(cost))
    assert units_up(cost) - units_down(cost) <= 1
    assert units_up(cost_of(units_up(cost))) == units_up(cost) < 2**53


@pytest.mark.parametrize(
    ("per", "window", "subject", "selection"),
    [
        (None, Window.DAY, "", Selection(None, None, None, None)),
        (None, Window.RUN, "r/1", Selection("r/1", None, None, None)),
        (Per.RUN, Window.DAY, "r/1", Selection("r/1", None, None, None)),
        (Per.ROLE, Window.DAY, "writer", Selection(None, "writer", None, None)),
        (Per.ROLE, Window.RUN, "r%2F1/writer", Selection("r/1", "writer", None, None)),
        (Per.PRINCIPAL, Window.MONTH, "developer", Selection(None, None, "developer", None)),
        (Per.CLIENT_ID, Window.RUN, "r%2F1/app/7", Selection("r/1", None, None, "app/7")),
    ],
)
def test_a_subject_selects_the_calls_that_it_was_named_for(
    per: Per | None, window: Window, subject: str, selection: Selection
) -> None:
    """What a counter is named after is what the ledger is asked for."""
    context = call_of("r/1", "writer")
    context = replace(context, principal=replace(context.principal, client_id="app/7"))
    rule = make_rule(tokens=1, per=per, window=window)
    assert subject_of(rule, context) == subject
    assert selection_of(rule, subject) == selection


def test_a_rule_covers_what_it_states() -> None:
    """All that is stated must hold; a call outside a run counts for no run."""
    context = call_of(role="writer")
    rules = [
        make_rule("tenant", tokens=1),
        make_rule("another", tokens=1, tenant="other"),
        make_rule("role", tokens=1, tenant=None, role="writer"),
        make_rule("both", tokens=1, role="reader"),
        make_rule("run", tokens=1, window=Window.RUN),
        make_rule("per run", tokens=1, per=Per.RUN),
        make_rule("client", tokens=1, client_id="app"),
    ]
    assert [rule.name for rule in rules_for(rules, context)] == ["tenant", "role"]
