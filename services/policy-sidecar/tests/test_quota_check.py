"""Quotas: used up means refused, away means nothing happens, and a retry is counted once (invariants I1, I2)."""

from __future__ import annotations

import pytest
from amas_chassis.errors import AmasError, ErrorKind
from amas_policy_sidecar.domain.model import Effect, Outcome
from amas_policy_sidecar.domain.quota import QuotaAnswer, QuotaVerdict

from .fakes import World, escalating
from .manifests import COMMIT, bundle, role, tool_server

ONE_CALL = bundle(role("publisher", [{**COMMIT, "limits": {"calls": 1}}]), tool_server())


async def test_calls_that_are_used_up_are_denied() -> None:
    """The second call of a tool that may be called once is denied, recorded and not made."""
    world = World(bundle=ONE_CALL)
    first = await world.enforce(world.command(key="1"))
    second = await world.enforce(world.command(key="2"))
    assert first.result.outcome is Outcome.SUCCEEDED
    assert second.decision.effect is Effect.DENY
    assert second.decision.reasons[0].code == "QUOTA_EXCEEDED"
    assert len(world.tools.calls) == 1


async def test_a_retry_is_not_counted_twice() -> None:
    """The same key is the same call, also for another process."""
    world = World(bundle=ONE_CALL)
    world.audit.away = {"dev.amas.action.intent"}
    with pytest.raises(AmasError):
        await world.enforce(world.command(key="1"))
    world.audit.away = set()
    world.restart()
    answer = await world.enforce(world.command(key="1"))
    assert answer.result.outcome is Outcome.SUCCEEDED


async def test_a_store_that_is_away_stops_the_action() -> None:
    """I2: without quota no call and no record of an intent; the caller may try again."""
    world = World()
    world.quota.away = True
    with pytest.raises(AmasError) as error:
        await world.enforce(world.command())
    assert (error.value.kind, error.value.reason) == (ErrorKind.UNAVAILABLE, "QUOTA_UNAVAILABLE")
    assert world.tools.calls == []
    assert world.audit.order == []


async def test_a_rate_is_waited_for_briefly() -> None:
    """What passes in a moment is no refusal."""
    world = World()
    world.quota.verdicts = [QuotaVerdict(QuotaAnswer.RATE_EXCEEDED, 0.01), QuotaVerdict(QuotaAnswer.BUSY, 0.01)]
    answer = await world.enforce(world.command())
    assert answer.result.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(QuotaAnswer.RATE_EXCEEDED, "TOOL_RATE_LIMITED"), (QuotaAnswer.BUSY, "TOOL_BUSY")],
)
async def test_a_long_wait_is_the_callers(answer: QuotaAnswer, reason: str) -> None:
    """A longer wait goes back with when to ask again: the run waits durably, not this process."""
    world = World()
    world.quota.verdicts = [QuotaVerdict(answer, 30.0)]
    with pytest.raises(AmasError) as error:
        await world.enforce(world.command())
    assert (error.value.kind, error.value.reason) == (ErrorKind.RESOURCE_EXHAUSTED, reason)
    assert error.value.retry_after == 30.0
    assert world.tools.calls == []


async def test_the_place_is_given_back() -> None:
    """A place of the concurrency bound is free again after the call, however it ended."""
    world = World()
    await world.enforce(world.command(key="1"))
    world.audit.away = {"dev.amas.action.intent"}
    with pytest.raises(AmasError):
        await world.enforce(world.command(key="2"))
    assert world.quota.given_back == ["1", "2"]


async def test_nobody_is_asked_to_approve_what_the_quota_refuses() -> None:
    """An approval of a call that is used up would be worth nothing."""
    world = World(bundle=ONE_CALL)
    await world.enforce(world.command(key="1"))
    world.engine.answer = escalating
    answer = await world.enforce(world.command(key="2"))
    assert answer.decision.effect is Effect.DENY
    assert answer.decision.reasons[0].code == "QUOTA_EXCEEDED"


async def test_an_escalation_takes_nothing() -> None:
    """The call that follows the approval finds the quota as it was."""
    world = World(bundle=ONE_CALL)
    world.engine.answer = escalating
    await world.enforce(world.command(key="1"))
    assert world.quota.counted == {}
