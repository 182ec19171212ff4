"""A policy engine that does not decide: the action does not happen, may be asked again, and the record says why."""

from __future__ import annotations

import pytest
from amas_chassis.errors import AmasError, ErrorKind
from amas_policy_sidecar.domain.model import DelegateAction, Effect
from amas_policy_sidecar.usecases import record_fault

from .manifests import COMMIT, bundle, role, tool_server
from .world import World

DENIED = "dev.amas.action.denied"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("gone", "POLICY_ENGINE_GONE"),
        ("slow", "POLICY_ENGINE_SLOW"),
        ("out_of_date", "POLICY_ENGINE_OUT_OF_DATE"),
        ("nonsense", "POLICY_ENGINE_NONSENSE"),
        ("failed", "POLICY_ENGINE_FAILED"),
        ("refused", "POLICY_ENGINE_REFUSED"),
    ],
)
async def test_each_fault_is_a_denial_with_a_reason_on_record(fault: str, code: str) -> None:
    """I2: nothing is called, the caller gets a retryable error, and the log holds a denial that says what was wrong."""
    world = World()
    world.engine.away, world.engine.fault = True, fault
    with pytest.raises(AmasError) as caught:
        await world.enforce(world.command())
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.UNAVAILABLE, "POLICY_ENGINE_UNAVAILABLE")
    assert world.tools.calls == []
    data = world.audit.data(DENIED)
    assert (data["decision"]["effect"], data["decision"]["reasons"][0]["code"]) == ("deny", code)
    assert data["fault"] == code
    # No input: a replay would take the denial of a moment for a decision of the policies.
    assert data["input"] is None


async def test_a_fault_is_recorded_once_and_the_action_goes_on_when_it_is_over() -> None:
    """I2, I4: retries under one key leave one record for each kind of fault; then the engine allows the action."""
    world = World()
    world.engine.away = True
    for fault in ("gone", "gone", "slow"):
        world.engine.fault = fault
        with pytest.raises(AmasError):
            await world.enforce(world.command())
    world.restart()
    world.engine.fault = "gone"
    with pytest.raises(AmasError):
        await world.enforce(world.command())
    assert world.audit.order == [DENIED, DENIED]
    world.engine.away = False
    answer = await world.enforce(world.command())
    assert answer.decision.effect is Effect.ALLOW
    assert len(world.tools.calls) == 1


async def test_without_audit_the_fault_still_reaches_the_caller() -> None:
    """I2: a fault that cannot be recorded yet hides nothing; its record waits until audit is back, once."""
    world = World()
    world.engine.away, world.audit.away = True, {DENIED}
    with pytest.raises(AmasError) as caught:
        await world.enforce(world.command())
    assert caught.value.reason == "POLICY_ENGINE_UNAVAILABLE"
    with pytest.raises(AmasError):
        await world.enforce(world.command())
    assert world.audit.order == []
    world.audit.away = set()
    await world.outbox.close(10)
    assert world.audit.order == [DENIED]


async def test_a_late_executor_learns_that_it_is_late() -> None:
    """I4: a run that was taken over is told so also by the record of a fault."""
    world = World()
    world.engine.away, world.audit.fence = True, 9
    with pytest.raises(AmasError) as caught:
        await world.enforce(world.command(fencing_token=8))
    assert caught.value.reason == "FENCED"


async def test_other_errors_are_no_faults_of_the_engine() -> None:
    """A tool server that is away is an error of its own, and leaves no denial."""
    world = World()
    world.tools.away = True
    with pytest.raises(AmasError):
        await world.enforce(world.command())
    assert world.audit.order == []


async def test_a_fault_while_delegating_is_on_record_too() -> None:
    """I2: the sub-task does not begin, and the log says why."""
    lead = role("lead", [COMMIT], delegates=["helper"])
    world = World(bundle=bundle(lead, role("helper", [COMMIT]), tool_server()))
    world.engine.away, world.engine.fault = True, "slow"
    for _ in range(2):
        with pytest.raises(AmasError):
            await world.delegation(world.context(role="lead"), DelegateAction("helper", "{}"))
    data = world.audit.data("dev.amas.delegation.decided")
    assert data["decision"]["reasons"][0]["code"] == "POLICY_ENGINE_SLOW"


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that was forgotten is offered again, and the log keeps the first."""
    monkeypatch.setattr(record_fault, "MAX_REMEMBERED", 1)
    world = World()
    world.engine.away = True
    for key in ("a", "b", "a"):
        with pytest.raises(AmasError):
            await world.enforce(world.command(key=key))
    assert world.audit.order == [DENIED, DENIED]
