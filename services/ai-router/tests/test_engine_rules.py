"""The engine's pure rules: percentiles, hedge delays, the retry budget, waits, and runs that stay."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from amas_ai_router.domain.backoff import FIRST_SPAN, LAST_SPAN, wait_before
from amas_ai_router.domain.hedging import hedge_delay
from amas_ai_router.domain.latency import HALF_LIFE_SECONDS, MIN_OBSERVATIONS, REFRESH, Latency
from amas_ai_router.domain.retry_budget import MAX_SAVED, MIN_PER_SECOND, MIN_SAVED, RetryBudget, RetryBudgets
from amas_ai_router.domain.sticky import MAX_RUNS, StickyRuns, rendezvous
from hypothesis import given
from hypothesis import strategies as st

from .engine_fakes import target
from .fakes import make_context


@given(
    st.lists(st.floats(0.0011, 900), min_size=MIN_OBSERVATIONS, max_size=300), st.sampled_from([0.5, 0.9, 0.95, 0.99])
)
def test_a_percentile_is_right_within_a_bucket(times: list[float], share: float) -> None:
    """At least that share of the times lie at or below it, and a real time lies within a bucket's width below it."""
    latency = Latency(0.0)
    for seconds in times:
        latency.observe(seconds, 0.0)
    found = latency.quantile(share, 0.0)
    assert found is not None
    assert sum(seconds <= found * 1.000001 for seconds in times) >= share * len(times) - 1e-6
    assert any(found / 1.0906 <= seconds for seconds in times)


def test_too_few_times_say_nothing() -> None:
    """A percentile of a handful of calls would hedge at random; a given delay needs no history."""
    latency = Latency(0.0)
    for _ in range(MIN_OBSERVATIONS - 1):
        latency.observe(1.0, 0.0)
    assert hedge_delay("p95", latency, 0.0) is None
    assert hedge_delay(0.3, latency, 0.0) == 0.3
    latency.observe(1.0, 0.0)
    assert hedge_delay("p95", latency, 0.0) == pytest.approx(1.0, rel=0.1)


def test_the_distribution_follows_and_forgets() -> None:
    """A target that got slower is known to be, and one of which nothing was heard for long is unknown."""
    latency = Latency(0.0)
    for _ in range(4000):
        latency.observe(0.1, 0.0)
    for _ in range(4000):
        latency.observe(1.0, 0.0)
    assert latency.quantile(0.5, 0.0) == pytest.approx(1.0, rel=0.1)
    assert latency.quantile(0.5, 20 * HALF_LIFE_SECONDS) is None


def test_a_percentile_is_fresh_after_some_observations() -> None:
    """It is kept for a few observations only."""
    latency = Latency(0.0)
    for _ in range(MIN_OBSERVATIONS):
        latency.observe(0.1, 0.0)
    assert latency.quantile(0.9, 0.0) == pytest.approx(0.1, rel=0.1)
    for _ in range(3 * REFRESH):
        latency.observe(5.0, 0.0)
    assert latency.quantile(0.9, 0.0) == pytest.approx(5.0, rel=0.1)


def test_extra_attempts_are_a_share_of_calls() -> None:
    """Under load no more than the share and what was saved."""
    budget = RetryBudget(0.0)
    taken = 0
    for _ in range(10_000):
        budget.call(0.1, 0.0)
        taken += budget.take(0.1)
    assert taken <= 0.1 * 10_000 + MIN_SAVED
    assert taken >= 0.1 * 10_000 - 1


def test_a_quiet_route_may_retry_and_savings_are_bounded() -> None:
    """A little comes by itself over time; a long good time does not pay for a storm; 0 % is none at all."""
    budget = RetryBudget(0.0)
    while budget.take(0.1):
        pass
    budget.call(0.0, 3.0)
    assert [budget.take(0.1) for _ in range(5)] == [True] * int(3 * MIN_PER_SECOND) + [False] * 2
    for _ in range(100_000):
        budget.call(1.0, 3.0)
    assert sum(budget.take(1.0) for _ in range(1000)) == MAX_SAVED
    assert not RetryBudget(0.0).take(0.0)


def test_each_route_has_its_own_budget() -> None:
    """A route in trouble does not take another one's retries."""
    budgets = RetryBudgets()
    while budgets.of("b", "one", 0.0).take(0.1):
        pass
    assert budgets.of("b", "two", 0.0).take(0.1)
    assert not budgets.of("b", "one", 0.0).take(0.1)


def test_waits_are_drawn_from_doubling_bounded_spans() -> None:
    """Full jitter, so that callers do not come back together; the provider's word goes first."""
    random = Random(3)  # noqa: S311 - repeatable
    for tries, span in ((1, FIRST_SPAN), (2, 2 * FIRST_SPAN), (20, LAST_SPAN)):
        waits = [wait_before(tries, None, random) for _ in range(500)]
        assert max(waits) <= span
        assert min(waits) < span / 10
        assert max(waits) > span * 0.9
    assert wait_before(1, 7.0, random) == 7.0


def test_replicas_agree_and_weights_hold() -> None:
    """The order follows from the run alone; over runs, targets come first as their weights say."""
    targets = (target("a", weight=6), target("b", weight=3), target("c"))
    orders = {f"run-{number}": rendezvous(f"run-{number}", targets) for number in range(4000)}
    assert all(rendezvous(run, targets[::-1]) == found for run, found in orders.items())
    first = Counter(found[0].provider for found in orders.values())
    assert first["a"] / 4000 == pytest.approx(0.6, abs=0.04)
    assert first["c"] / 4000 == pytest.approx(0.1, abs=0.03)


def test_a_target_that_goes_moves_only_its_own_runs() -> None:
    """Rendezvous hashing: runs of the others stay where they are."""
    targets = tuple(target(name) for name in "abcd")
    for number in range(300):
        with_all = rendezvous(str(number), targets)
        without = rendezvous(str(number), [each for each in targets if each.provider != "b"])
        assert without == tuple(each for each in with_all if each.provider != "b")


def test_runs_are_remembered_by_tenant_and_bounded() -> None:
    """The same run id of another tenant is another run."""
    sticky = StickyRuns()
    here = make_context("sha256:b", run_id="r")
    sticky.answered(here, "route", "a/m")
    assert sticky.target(here, "route") == "a/m"
    assert sticky.target(here, "other") is None
    for number in range(MAX_RUNS):
        sticky.answered(make_context("sha256:b", run_id=f"r{number}"), "route", "b/m")
    assert sticky.target(here, "route") is None
