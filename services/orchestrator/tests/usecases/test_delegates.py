"""A role that hands sub-tasks to another: contracts, bounds and policy of both, on fakes."""

from __future__ import annotations

import json

from amas_chassis.errors import AmasError, ErrorKind
from amas_orchestrator.domain.model import Json, RunState
from amas_orchestrator.ports import Actor

from .. import resources
from ..world import WORKER, calls, results, says, world


async def test_a_delegate_works_under_both_contracts() -> None:
    """A sub-task is a step of the delegate, on behalf of who delegated; its result is the tool's answer."""

    def say(actor: Actor, messages: list[Json]) -> Json:
        if actor.role == "helper":
            assert actor.delegated_by == ("worker",)
            return says({"text": "helped"})
        if not results(messages):
            return calls(("delegate__helper", {"topic": "sub"}))
        return says(json.loads(results(messages)[0]))

    made = world(say, resources.role("worker", delegates="helper"), resources.role("helper"))
    run = await made.run("single")
    assert (run.state, run.output_json) == (RunState.SUCCEEDED, '{"text": "helped"}')
    assert made.model.calls == [
        f"{run.id}/only/0",
        f"{run.id}/only/helper[0.0]/0",
        f"{run.id}/only/1",
    ]
    assert made.audit.types().count("step.started") == 2


async def test_a_delegation_that_policy_denies_does_not_begin() -> None:
    """I1: the delegate does nothing; the model is told why, and the run's history shows the decision."""

    def say(actor: Actor, messages: list[Json]) -> Json:
        assert actor.role == "worker"
        return (
            says({"text": results(messages)[0]}) if results(messages) else calls(("delegate__helper", {"topic": "a"}))
        )

    made = world(say, resources.role("worker", delegates="helper"), resources.role("helper"))
    made.enforcer.denies = {"delegate/helper"}
    run = await made.run("single")
    assert run.state is RunState.SUCCEEDED
    assert "DELEGATION_NOT_GRANTED" in run.output_json
    assert made.audit.types().count("step.started") == 1
    history = await made.runs.events("acme", run.id, 0, 100)
    (shown,) = [event for event in history if event.kind == "tool_called"]
    assert (shown.payload["tool"], shown.payload["decision"]["effect"]) == ("delegate/helper", "deny")


async def test_a_delegation_waits_for_a_policy_that_is_away() -> None:
    """I2: while nobody can decide, the delegate does not begin; then it does, once."""

    def say(actor: Actor, messages: list[Json]) -> Json:
        if actor.role == "helper":
            return says({"text": "helped"})
        return says({"text": "x"}) if results(messages) else calls(("delegate__helper", {"topic": "a"}))

    made = world(say, resources.role("worker", delegates="helper"), resources.role("helper"))
    away = AmasError(ErrorKind.UNAVAILABLE, "POLICY_ENGINE_UNAVAILABLE", "away")
    made.enforcer.failures = [away, away]
    run = await made.run("single")
    assert run.state is RunState.SUCCEEDED
    assert made.enforcer.failures == []
    assert made.audit.types().count("step.started") == 2


async def test_a_delegate_spends_from_the_bounds_of_who_delegated() -> None:
    """Delegating is no way around a bound."""
    made = world(
        lambda actor, messages: (
            calls(("notes__read", {})) if actor.role == "helper" else calls(("delegate__helper", {"topic": "sub"}))
        ),
        resources.role("worker", delegates="helper", bounds="{modelCalls: 3}"),
        resources.role("helper"),
    )
    run = await made.run("single")
    assert (run.state, run.reason and run.reason.code) == (RunState.FAILED, "BOUND_MODEL_CALLS_REACHED")
    assert len(made.model.calls) == 3


async def test_the_load_on_approvers_is_told_where_a_contract_bounds_it() -> None:
    """Each new action of such a role says how many approvals wait; what an approval answers asks nobody again."""
    bounded = WORKER.replace("  delegates:", "  autonomy: {objective: 90%, pendingApprovals: 3}\n  delegates:")
    for text, told in ((WORKER, [None, None, None]), (bounded, [0, 0, None])):
        made = world(
            lambda _, messages: (
                calls(("notes__read", {"text": "1"}), ("notes__write", {"text": "2"}))
                if not results(messages)
                else says({"text": "x"})
            ),
            text,
        )
        run = await made.run("single", None, lambda _, made=made: made.decide(True))
        assert run.state is RunState.SUCCEEDED
        assert [actor.approvals_waiting for actor, *_ in made.enforcer.requests] == told


async def test_a_delegate_of_a_bounded_role_tells_the_load_too() -> None:
    """A delegate is no way around the bound of who delegated."""
    bounded = resources.role("worker", delegates="helper").replace(
        "  delegates:", "  autonomy: {objective: 90%, pendingApprovals: 3}\n  delegates:"
    )

    def say(actor: Actor, messages: list[Json]) -> Json:
        if results(messages):
            return says({"text": "x"})
        return calls(("notes__read", {}) if actor.role == "helper" else ("delegate__helper", {"topic": "a"}))

    made = world(say, bounded, resources.role("helper"))
    await made.run("single")
    assert [(actor.role, actor.approvals_waiting) for actor, *_ in made.enforcer.requests] == [("helper", 0)]
