"""Circuit breakers: when a target rests, for how long, and how it comes back."""

from __future__ import annotations

from random import Random

import pytest
from amas_ai_router.domain.breaker import (
    JITTER,
    MAX_BREAKERS,
    MAX_OPEN_SECONDS,
    MIN_VOLUME,
    WINDOW_SECONDS,
    Breaker,
    BreakerLimits,
    Breakers,
    Permit,
    State,
)
from hypothesis import given
from hypothesis import strategies as st

from .engine_fakes import target

OPEN_FOR = 10.0


def breaker(failures: int = 3, rate: float = 0.5) -> tuple[Breaker, list[State]]:
    changes: list[State] = []
    limits = BreakerLimits(failures, rate, OPEN_FOR)
    return Breaker(limits, Random(1), changes.append), changes  # noqa: S311 - repeatable


def permit(found: Breaker, now: float) -> Permit:
    given_permit = found.permit(now)
    assert given_permit is not None
    return given_permit


def fail(found: Breaker, now: float, times: int = 1) -> None:
    for _ in range(times):
        permit(found, now).failed(now)


def opened(now: float = 0.0) -> Breaker:
    found, _ = breaker()
    fail(found, now, 3)
    return found


def test_failures_in_a_row_open_it_and_a_success_between_does_not() -> None:
    """Only an unbroken row counts."""
    found, changes = breaker()
    fail(found, 0.0, 2)
    permit(found, 0.0).succeeded(0.0)
    fail(found, 0.0, 2)
    assert found.state is State.CLOSED
    fail(found, 0.0)
    assert changes == [State.OPEN]
    assert found.permit(0.0) is None


def test_a_share_of_failures_opens_it_only_with_enough_calls() -> None:
    """Every second call fails: never many in a row, yet half of them; few calls prove nothing."""
    found, _ = breaker(failures=1000)
    for number in range(MIN_VOLUME // 2):
        assert found.state is State.CLOSED, number
        permit(found, 0.0).succeeded(0.0)
        fail(found, 0.0)
    assert found.state is State.OPEN


def test_old_failures_slide_out_of_the_window() -> None:
    """What failed before the window does not count towards a rate."""
    found, _ = breaker(failures=1000)
    for _ in range(MIN_VOLUME - 1):
        fail(found, 0.0)
    for _ in range(MIN_VOLUME):
        permit(found, WINDOW_SECONDS + 1).succeeded(WINDOW_SECONDS + 1)
    fail(found, WINDOW_SECONDS + 1)
    assert found.state is State.CLOSED


def test_after_the_rest_exactly_one_call_probes() -> None:
    """A target that comes back is not trampled."""
    found = opened()
    assert found.permit(OPEN_FOR * (1 - JITTER) - 0.1) is None
    late = OPEN_FOR * (1 + JITTER) + 0.1
    probe = permit(found, late)
    assert probe.probe
    assert [found.permit(late) for _ in range(5)] == [None] * 5
    probe.succeeded(late)
    assert found.state is State.CLOSED
    assert not permit(found, late).probe


def test_a_probe_that_nobody_finished_makes_room_for_another() -> None:
    """A client that goes away in the middle of a probe must not lock the target out."""
    found = opened()
    permit(found, 100.0).abandoned()
    assert permit(found, 100.0).probe


def test_each_failed_probe_doubles_the_rest_up_to_a_bound() -> None:
    """A dead target is asked ever less, never never."""
    found, now, rests = opened(), 0.0, []
    for _ in range(8):
        rests.append(found.rests_until - now)
        now = found.rests_until
        permit(found, now).failed(now)
    assert rests[1] == pytest.approx(2 * OPEN_FOR, rel=JITTER)
    assert all(rest <= MAX_OPEN_SECONDS * (1 + JITTER) for rest in rests)
    assert rests[-1] == pytest.approx(16 * OPEN_FOR, rel=JITTER)


def test_a_long_good_time_is_rewarded() -> None:
    """The next opening after it is as short as the first."""
    found = opened()
    permit(found, 11.5).failed(11.5)
    permit(found, 40.0).succeeded(40.0)
    later = 41.0 + WINDOW_SECONDS
    fail(found, later, 3)
    assert found.rests_until - later == pytest.approx(OPEN_FOR, rel=JITTER)


def test_the_providers_own_time_bounds_the_rest() -> None:
    """Retry-After says when asking is sensible again."""
    found, _ = breaker()
    for _ in range(3):
        permit(found, 0.0).failed(0.0, at_most=2.0)
    assert found.rests_until == 2.0


def test_verdicts_from_another_time_change_nothing() -> None:
    """Slow calls that began before the opening neither close it nor lengthen the rest."""
    found, changes = breaker()
    early = [permit(found, 0.0) for _ in range(6)]
    fail(found, 0.0, 3)
    until = found.rests_until
    early[0].succeeded(1.0)
    for late in early[1:]:
        late.failed(1.0)
    assert (found.state, found.rests_until, changes) == (State.OPEN, until, [State.OPEN])


def test_a_forced_probe_before_its_time_is_one_too() -> None:
    """At most one call at a time reaches a resting target, and its failure does not double the rest."""
    found = opened()
    forced = found.force()
    assert forced is not None
    assert found.force() is None
    forced.failed(1.0)
    assert found.rests_until - 1.0 == pytest.approx(OPEN_FOR, rel=JITTER)


def test_an_abandoned_forced_probe_leaves_the_rest_as_it_was() -> None:
    """Without a verdict the target still rests."""
    found = opened()
    forced = found.force()
    assert forced is not None
    forced.abandoned()
    assert found.permit(1.0) is None


STEPS = st.tuples(st.sampled_from(["permit", "force", "succeed", "fail", "abandon", "wait"]), st.integers(0, 40))


@given(st.lists(STEPS, max_size=120))
def test_never_two_probes_and_never_locked_out(steps: list[tuple[str, int]]) -> None:
    """Whatever happens in whichever order: one probe at a time, and once all calls ended the target can be asked."""
    found, _ = breaker()
    now, under_way = 0.0, []
    for what, number in steps:
        if what == "wait":
            now += number
        elif what in ("permit", "force"):
            got = found.permit(now) if what == "permit" else found.force()
            under_way += [] if got is None else [got]
        elif under_way:
            ended = under_way.pop(number % len(under_way))
            {"succeed": lambda: ended.succeeded(now), "fail": lambda: ended.failed(now)}.get(what, ended.abandoned)()  # noqa: B023 - called at once
        current = [each for each in under_way if each.probe and each._generation == found.generation]
        assert len(current) <= 1
    for each in under_way:
        each.abandoned()
    assert found.permit(now + 2 * MAX_OPEN_SECONDS) is not None


def test_breakers_are_bounded_and_know_places_apart() -> None:
    """The same name at another address is another target, and many targets do not fill the memory."""
    changes: list[tuple[str, State]] = []
    breakers = Breakers(Random(1), lambda name, state: changes.append((name, state)))  # noqa: S311 - repeatable
    first = breakers.of(target("a"), 1, 0.5, OPEN_FOR)
    fail(first, 0.0)
    assert changes == [("a/m", State.OPEN)]
    assert breakers.of(target("a"), 1, 0.5, OPEN_FOR) is first
    assert breakers.of(target("b"), 1, 0.5, OPEN_FOR).state is State.CLOSED
    for number in range(MAX_BREAKERS):
        breakers.of(target(f"t{number}"), 1, 0.5, OPEN_FOR)
    assert breakers.of(target("a"), 1, 0.5, OPEN_FOR) is not first
