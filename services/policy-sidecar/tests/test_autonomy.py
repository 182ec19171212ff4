"""Error budgets and levels: they fall at once, rise slowly and never flap (hysteresis), whatever the outcomes are."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from amas_governance.resources import Autonomy
from amas_policy_sidecar.domain.autonomy import (
    HOLD,
    Level,
    Standing,
    Tally,
    level_of,
    next_standing,
    remaining,
)
from hypothesis import given
from hypothesis import strategies as st

WINDOW = 24 * 3600.0
BUDGET = Autonomy.model_validate({"objective": "90%", "window": "24h", "volume": 100})


@pytest.mark.parametrize(
    ("objective", "tally", "share"),
    [
        ("90%", Tally(0, 0), 1.0),
        ("90%", Tally(5, 5), 0.5),
        ("90%", Tally(100, 1), 0.9),
        ("90%", Tally(100, 10), 0.0),
        ("90%", Tally(1000, 10), 0.9),
        ("90%", Tally(1000, 500), 0.0),
        ("100%", Tally(1000, 0), 1.0),
        ("100%", Tally(1000, 1), 0.0),
        ("0%", Tally(100, 50), 0.5),
    ],
)
def test_the_share_is_what_is_left_of_the_allowed_failures(objective: str, tally: Tally, share: float) -> None:
    """Few actions are reckoned as the stated volume; a hundred percent leaves nothing to spend."""
    assert remaining(Autonomy.model_validate({"objective": objective, "volume": 100}), tally) == share


@given(total=st.integers(0, 10_000), bad=st.integers(0, 10_000))
def test_more_failures_never_leave_more(total: int, bad: int) -> None:
    """Among equally many actions each further failure leaves less or the same, within 0 and 1."""
    share = remaining(BUDGET, Tally(max(total, bad + 1), bad))
    assert 0.0 <= remaining(BUDGET, Tally(max(total, bad + 1), bad + 1)) <= share <= 1.0


def test_a_level_falls_at_once_and_over_several_steps() -> None:
    """A budget that is suddenly gone takes the autonomy with it, without a pause."""
    standing = Standing(Level.FULL, 0.0)
    assert next_standing(standing, 0.0, 1.0, WINDOW) == Standing(Level.NONE, 1.0)
    assert next_standing(standing, 0.3, 1.0, WINDOW) == Standing(Level.REDUCED, 1.0)


def test_a_level_rises_by_one_step_after_a_pause_and_beyond_a_margin() -> None:
    """Recovery is believed slowly."""
    standing = Standing(Level.NONE, 0.0)
    pause = WINDOW * HOLD
    assert next_standing(standing, 1.0, pause - 1, WINDOW) is standing
    assert next_standing(standing, 0.1, pause, WINDOW) is standing
    risen = next_standing(standing, 1.0, pause, WINDOW)
    assert risen == Standing(Level.MINIMAL, pause)
    assert next_standing(risen, 1.0, pause + 1, WINDOW) is risen


def test_without_a_past_the_budget_alone_decides() -> None:
    """A level that the store has forgotten is found again from the counts, at the strict side of the hysteresis."""
    for share in (0.0, 0.2, 0.4, 0.5, 1.0):
        assert next_standing(None, share, 7.0, WINDOW) == Standing(level_of(share), 7.0)


@given(shares=st.lists(st.floats(0.0, 1.0), max_size=200), pause=st.floats(1.0, WINDOW / 10))
def test_the_level_is_never_looser_than_the_budget_and_rises_are_rare(shares: list[float], pause: float) -> None:
    """I1: whatever the budget does, the level is at least as strict as it, and each rise waited its time."""
    standing: Standing | None = None
    for index, share in enumerate(shares):
        now = index * pause
        before, standing = standing, next_standing(standing, share, now, WINDOW)
        assert standing.level >= level_of(share)
        if before is not None and standing.level < before.level:
            assert standing.level == before.level - 1
            assert now - before.since >= WINDOW * HOLD
            assert share >= 0.15


@dataclass
class Simulated:
    """A role that acts each minute, as long as its level lets it: the changes of its level by hour."""

    changes: list[tuple[float, Level]] = field(default_factory=list)
    without_hysteresis: int = 0
    """How often the level would have changed by the budget alone."""


def simulate(fails: Callable[[float], bool], hours: int) -> Simulated:
    """Some days of a role whose actions end badly as told, hour by hour."""
    done, outcomes, bad = Simulated(), deque[tuple[float, bool]](), 0
    standing: Standing | None = None
    alone = Level.FULL
    for minute in range(hours * 60):
        now = minute * 60.0
        while outcomes and outcomes[0][0] <= now - WINDOW:
            bad -= outcomes.popleft()[1]
        share = remaining(BUDGET, Tally(len(outcomes), bad))
        before, standing = standing, next_standing(standing, share, now, WINDOW)
        if before is None or before.level is not standing.level:
            done.changes.append((now / 3600, standing.level))
        done.without_hysteresis += alone is not level_of(share)
        alone = level_of(share)
        if standing.level is not Level.NONE:
            outcomes.append((now, fails(now / 3600)))
            bad += outcomes[-1][1]
    return done


def test_a_burnt_budget_recovers_without_flapping() -> None:
    """Six bad hours take the autonomy away step by step; it comes back step by step, and each level is left once."""
    chance = random.Random(11)  # noqa: S311 - a repeatable noise
    changes = simulate(lambda hour: chance.random() < (0.9 if 48 <= hour < 54 else 0.01), 24 * 6).changes
    levels = [level for _, level in changes]
    assert levels == [
        Level.FULL,
        Level.REDUCED,
        Level.MINIMAL,
        Level.NONE,
        Level.MINIMAL,
        Level.REDUCED,
        Level.FULL,
    ]
    fell = next(hour for hour, level in changes if level is Level.NONE)
    assert 48 <= fell < 54
    assert changes[-1][0] > fell


@pytest.mark.parametrize("seed", range(5))
def test_a_role_at_the_edge_does_not_flap(seed: int) -> None:
    """Failures at just the rate where a level changes: over ten days the level moves a few times, not each minute."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable noise
    done = simulate(lambda _: chance.random() < 0.05, 24 * 10)
    assert len(done.changes) <= 12
    assert done.without_hysteresis > 2 * len(done.changes)
