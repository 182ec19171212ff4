"""How much a role may do by itself: from its error budget to a level, with hysteresis. Pure; the store only keeps it.

A level falls at once and rises slowly: one step at a time, after a pause, and only once clearly more of the budget is
left than where it fell. So an agent that is on the edge does not flap between freedom and questions.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

from amas_governance.resources import AgentRole, Autonomy

from .contract import Contract
from .model import Outcome


class Level(enum.IntEnum):
    """Strictest last."""

    FULL = 0
    REDUCED = 1
    MINIMAL = 2
    NONE = 3


# Share of the budget below which each level begins (for NONE: at or below).
FALLS_BELOW = {Level.REDUCED: 0.5, Level.MINIMAL: 0.25, Level.NONE: 0.0}
# Share beyond that at which the level is left again.
MARGIN = 0.15
# Part of the window that a level lasts at least before it may rise.
HOLD = 1 / 24
# Steps in which the remaining share is told: coarser than the noise of single outcomes.
STEP = 0.05

SERVICE = "service"
# The service's own budget: all governed actions of a tenant. Wide enough that no single role empties it alone.
SERVICE_BUDGET = Autonomy.model_validate({"objective": "95%", "window": "1h", "volume": 200})


@dataclass(frozen=True)
class Subject:
    """What has a budget: a role of a tenant, or the service as a whole."""

    name: str
    budget: Autonomy


@dataclass(frozen=True)
class Tally:
    """Outcomes within the window."""

    total: int
    bad: int


@dataclass(frozen=True)
class Standing:
    """The level, and since when (seconds of the store's clock)."""

    level: Level
    since: float


def subjects(contract: Contract) -> tuple[Subject, ...]:
    """The governed roles of the chain and, if there is one, the service; empty if no contract speaks of autonomy."""
    governed = tuple(
        Subject(f"role:{role.metadata.name}", role.spec.autonomy)
        for role in contract.roles
        if role.spec.autonomy is not None
    )
    return (*governed, Subject(SERVICE, SERVICE_BUDGET)) if governed else ()


def capacity(roles: Sequence[AgentRole]) -> int | None:
    """How many approvals may wait for people at once, by the strictest role of a chain; None if none says so."""
    stated = [
        role.spec.autonomy.pending_approvals
        for role in roles
        if role.spec.autonomy is not None and role.spec.autonomy.pending_approvals is not None
    ]
    return min(stated, default=None)


def is_bad(outcome: Outcome, *, denied: bool, subject: str) -> bool:
    """Whether an end counts against the budget. What policy denied says something of the role, not of the service."""
    if denied:
        return subject != SERVICE
    return outcome in (Outcome.FAILED, Outcome.UNKNOWN)


def remaining(budget: Autonomy, tally: Tally) -> float:
    """The share of the budget that is left, 0 to 1, in steps; few actions are reckoned as `volume`."""
    allowed = (1 - budget.objective) * max(tally.total, budget.volume)
    # A hundred percent leaves nothing to be spent.
    share = 1 - tally.bad / allowed if allowed > 0 else float(tally.bad == 0)
    # Down to the step, and free of what floats leave behind a full step.
    return round(max(0.0, math.floor(share / STEP + 1e-9) * STEP), 2)


def level_of(share: float) -> Level:
    """The level that a share would have without a past."""
    if share <= FALLS_BELOW[Level.NONE]:
        return Level.NONE
    if share < FALLS_BELOW[Level.MINIMAL]:
        return Level.MINIMAL
    return Level.REDUCED if share < FALLS_BELOW[Level.REDUCED] else Level.FULL


def next_standing(before: Standing | None, share: float, now: float, window: float) -> Standing:
    """The standing after a look at the budget; the same object if nothing changes."""
    target = level_of(share)
    if before is None or target > before.level:
        return Standing(target, now)
    if target == before.level or now - before.since < window * HOLD:
        return before
    if share < FALLS_BELOW[before.level] + MARGIN:
        return before
    return Standing(Level(before.level - 1), now)
