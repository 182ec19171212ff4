"""Error-budget autonomy in enforcement: what burns a budget, what policy is told, what happens without the store."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from amas_chassis.errors import AmasError
from amas_policy_sidecar.domain.autonomy import Level, Tally
from amas_policy_sidecar.domain.errors import ToolFailed
from amas_policy_sidecar.domain.model import ToolAction
from amas_policy_sidecar.usecases import count_outcome

from .fakes import ALLOW, DENY, escalating
from .manifests import COMMIT, bundle, role, tool_server
from .test_approvals import grant
from .world import World

AUTONOMY = {"objective": "90%", "window": "24h", "volume": 100, "pendingApprovals": 5}
FULL = {"level": "full", "remaining": 1.0}


def governed(**autonomy: Any) -> World:
    """A publisher whose contract speaks of autonomy."""
    return World(bundle=bundle(role("publisher", [COMMIT], autonomy={**AUTONOMY, **autonomy}), tool_server()))


def told(world: World) -> Any:
    """What policy was told last."""
    return world.engine.documents[-1]["autonomy"]


async def test_a_role_that_is_not_governed_costs_nothing() -> None:
    """Without a word in the contract nothing is counted, and policy is told null."""
    world = World()
    world.autonomy.away = True
    await world.enforce(world.command())
    assert told(world) is None
    assert world.autonomy.tallies == {}


async def test_policy_is_told_budget_level_and_load() -> None:
    """The role's and the service's level, what is left, and how many approvals wait of how many that may."""
    world = governed()
    await world.enforce(world.command(approvals_waiting=3))
    assert told(world) == {"role": FULL, "service": FULL, "approvers": {"waiting": 3, "capacity": 5}}
    await world.enforce(world.command(key="other"))
    assert told(world)["approvers"] == {"waiting": None, "capacity": 5}
    world = governed(pendingApprovals=None)
    await world.enforce(world.command(approvals_waiting=3))
    assert told(world)["approvers"] is None


async def test_outcomes_are_counted_once() -> None:
    """Successes, failures and calls whose end nobody knows; a retry under the same key counts nothing more."""
    world = governed()
    for key, failures in (("a", []), ("b", [ToolFailed("GONE", "gone", sent=True)]), ("c", [])):
        world.tools.failures = list(failures)
        for _ in range(2):
            await world.enforce(world.command(key=key))
    world.restart()
    await world.enforce(world.command(key="a"))
    assert world.autonomy.tallies == {("acme", "role:publisher"): Tally(3, 1), ("acme", "service"): Tally(3, 1)}


async def test_denials_burn_the_roles_budget_alone() -> None:
    """What policy refuses speaks against the agent that wanted it, not against the service."""
    world = governed()
    world.engine.answer = DENY
    await world.enforce(world.command(key="a"))
    await world.enforce(world.command(key="b", arguments='{"message":"not docs"}'))
    assert world.autonomy.tallies == {("acme", "role:publisher"): Tally(2, 2)}


@pytest.mark.parametrize("code", ["AUTONOMY_NONE", "APPROVERS_BUSY"])
async def test_the_lowered_autonomy_itself_burns_nothing(code: str) -> None:
    """A budget can recover: what is refused because it is used up does not use it up further."""
    world = governed()
    world.engine.answer = {**DENY, "reasons": [{"code": code, "message": "no"}]}
    await world.enforce(world.command())
    assert world.autonomy.tallies == {}


async def test_neither_escalations_nor_dry_runs_nor_faults_count() -> None:
    """Only what came to an end counts."""
    world = governed()
    world.engine.answer = escalating
    await world.enforce(world.command())
    world.engine.answer = ALLOW
    await world.decide.tool(world.context(), ToolAction("git/commit", '{"message":"docs: notes"}'))
    world.engine.away = True
    with pytest.raises(AmasError):
        await world.enforce(world.command(key="other"))
    assert world.autonomy.tallies == {}


async def test_the_level_falls_with_the_budget_and_is_kept() -> None:
    """Ten failures of the hundred that ten percent allow leave nothing; the level is in the store, for all replicas."""
    world = governed()
    world.autonomy.tallies = {("acme", "role:publisher"): Tally(50, 10)}
    await world.enforce(world.command())
    assert told(world)["role"] == {"level": "none", "remaining": 0.0}
    assert world.autonomy.levels["acme", "role:publisher"].level is Level.NONE
    world.autonomy.tallies = {("acme", "role:publisher"): Tally(50, 0)}
    await world.enforce(world.command(key="other"))
    assert told(world)["role"] == {"level": "none", "remaining": 1.0}
    world.autonomy.now += 3600
    await world.enforce(world.command(key="third"))
    assert told(world)["role"] == {"level": "minimal", "remaining": 1.0}


async def test_a_race_for_the_level_ends_with_the_stricter() -> None:
    """Replicas that move a level at the same moment never leave it looser than either saw it."""
    world = governed()
    world.autonomy.tallies = {("acme", "role:publisher"): Tally(50, 10)}
    world.autonomy.loses_races = True
    await world.enforce(world.command())
    assert told(world)["role"]["level"] == "none"


async def test_the_strictest_role_of_a_chain_is_told() -> None:
    """I1: a delegate is no way around a burnt budget of who delegated."""
    lead = role("lead", [COMMIT], delegates=["helper"], autonomy={**AUTONOMY, "pendingApprovals": 2})
    world = World(bundle=bundle(lead, role("helper", [COMMIT], autonomy=AUTONOMY), tool_server()))
    world.autonomy.tallies = {("acme", "role:lead"): Tally(50, 6)}
    await world.enforce(world.command(role="helper", delegated_by=("lead",), approvals_waiting=1))
    assert told(world)["role"] == {"level": "reduced", "remaining": 0.4}
    assert told(world)["approvers"] == {"waiting": 1, "capacity": 2}


async def test_who_brings_an_approval_asks_nobody_again() -> None:
    """I3: an approved action is not refused because approvers are busy, as they have answered."""
    world = governed()
    world.engine.answer = escalating
    asked = await world.enforce(world.command(approvals_waiting=5))
    assert told(world)["approvers"] == {"waiting": 5, "capacity": 5}
    approval = grant(asked)
    answer = await world.enforce(world.command(key="approved", approval=approval, approvals_waiting=5))
    assert [document["autonomy"]["approvers"] for document in world.engine.documents[-2:]] == [None, None]
    assert answer.decision.effect.value == "allow"


async def test_without_the_store_nothing_governed_happens() -> None:
    """I2: the budgets share the quota's store; when it does not answer, neither does enforcement."""
    world = governed()
    world.autonomy.away = True
    with pytest.raises(AmasError) as caught:
        await world.enforce(world.command())
    assert caught.value.reason == "QUOTA_UNAVAILABLE"
    assert world.tools.calls == []


async def test_an_outcome_that_could_not_be_counted_is_counted_before_the_next_level() -> None:
    """A store that was away for a moment does not forgive a failure."""
    world = governed()
    world.tools.failures = [ToolFailed("GONE", "gone", sent=True)]
    world.tools.before = lambda: setattr(world.autonomy, "away", True)
    await world.enforce(world.command(key="a"))
    assert world.autonomy.tallies == {}
    world.autonomy.away, world.tools.before = False, lambda: None
    await world.enforce(world.command(key="b"))
    assert world.autonomy.tallies["acme", "role:publisher"] == Tally(2, 1)


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the store is away for long, the newest outcomes are kept."""
    monkeypatch.setattr(count_outcome, "MAX_KEPT", 1)
    world = governed()
    world.tools.before = lambda: setattr(world.autonomy, "away", True)
    await asyncio.gather(*(world.enforce(world.command(key=key)) for key in ("a", "b")))
    world.autonomy.away, world.tools.before = False, lambda: None
    await world.enforce(world.command(key="c"))
    assert world.autonomy.tallies["acme", "role:publisher"].total == 2
