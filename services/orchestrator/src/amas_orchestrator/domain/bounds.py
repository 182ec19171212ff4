"""Bounds of a role: what one step has spent, and the reason with which it stops.

Bounds are compared before something is spent, so that a step ends at its bound and not one call beyond. Tokens and cost
are known only after a call, so the last one may end beyond by its own prompt; its answer is cut to what is left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from amas_governance.resources import Bounds

from .model import Reason, Usage

DEFAULT_COMPLETION_TOKENS = 4_096
"""Tokens that one answer may have at most, whatever the role's bound leaves."""
STEP_TIMED_OUT = "STEP_TIMED_OUT"
"""Code of the reason with which the time-out that an orchestration gives a step ends it."""


@dataclass
class Spent:
    """What a step, with all that it delegated, has used. Waiting for a human is not counted as time."""

    steps: int = 0
    model_calls: int = 0
    usage: Usage = field(default_factory=Usage)
    bytes_in: int = 0
    bytes_out: int = 0
    waited: timedelta = field(default_factory=timedelta)
    calls: dict[str, int] = field(default_factory=dict)
    allowance: int = 1
    """How many times the bounds hold: one more each time that a human extended them."""

    def add(self, other: Spent) -> None:
        """Takes over what a delegate used; calls of tools are counted for each role by itself."""
        self.steps += other.steps
        self.model_calls += other.model_calls
        self.usage += other.usage
        self.bytes_in += other.bytes_in
        self.bytes_out += other.bytes_out
        self.waited += other.waited


def reached(bounds: Bounds, spent: Spent, more: Spent) -> Reason | None:
    """The first bound that leaves no room for another turn, as BOUND_<X>_REACHED; None when there is room.

    `more` is what is used, or about to be, and not yet in `spent`; only bytes out can be asked for beforehand.
    """
    times = spent.allowance
    checks = (
        ("STEPS", spent.steps, bounds.steps * times, "turns and effects"),
        ("MODEL_CALLS", spent.model_calls, bounds.model_calls * times, "model calls"),
        ("TOKENS", spent.usage.tokens + more.usage.tokens, bounds.tokens * times, "tokens"),
        ("BYTES_IN", spent.bytes_in + more.bytes_in, bounds.bytes_in * times, "bytes of tool results"),
        ("BYTES_OUT", spent.bytes_out, bounds.bytes_out * times, "bytes of arguments and output"),
    )
    for name, used, limit, what in checks:
        if used >= limit:
            return Reason(f"BOUND_{name}_REACHED", f"the role may use {limit} {what} and has used {used}")
    return _cost_reached(bounds, spent.usage + more.usage, times) or overrun(bounds, spent, more.bytes_out)


def overrun(bounds: Bounds, spent: Spent, bytes_out: int) -> Reason | None:
    """The reason with which no such arguments or output may go out; None when the bound leaves room for all of it."""
    limit, used = bounds.bytes_out * spent.allowance, spent.bytes_out + bytes_out
    if used <= limit:
        return None
    text = f"the role may give out {limit} bytes of arguments and output, and this would make {used}"
    return Reason("BOUND_BYTES_OUT_REACHED", text)


def comparable(bounds: Bounds, usage: Usage) -> bool:
    """Whether the cost can be held against the bound at all: it is in its currency, or there is none."""
    return not usage.cost or usage.currency in ("", bounds.cost.currency)


def _cost_reached(bounds: Bounds, usage: Usage, times: int) -> Reason | None:
    cost = bounds.cost
    if not comparable(bounds, usage):
        text = f"the cost is in {usage.currency} and cannot be held against a bound in {cost.currency}"
        return Reason("BOUND_COST_REACHED", text)
    limit = cost.amount * times
    if usage.cost and usage.cost >= limit:
        text = f"the role may spend {limit:f} {cost.currency} and has spent {usage.cost:f}"
        return Reason("BOUND_COST_REACHED", text)
    return None


def deadline(started_at: datetime, bounds: Bounds, spent: Spent, timeout: float | None) -> tuple[datetime, Reason]:
    """When the step must have ended, and the reason with which it then ends: its time-out or the role's wall clock."""
    wall = bounds.wall_clock * spent.allowance
    if timeout is not None and timeout <= wall:
        reason = Reason(STEP_TIMED_OUT, f"the step has {timeout:g} s")
        return started_at + timedelta(seconds=timeout) + spent.waited, reason
    reason = Reason("BOUND_WALL_CLOCK_REACHED", f"the role has {wall:g} s of wall clock")
    return started_at + timedelta(seconds=wall) + spent.waited, reason


def tokens_left(bounds: Bounds, spent: Spent) -> int:
    """What the bound leaves; nothing or less when it is reached."""
    return bounds.tokens * spent.allowance - spent.usage.tokens
