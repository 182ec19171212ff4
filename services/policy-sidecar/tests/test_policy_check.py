"""Policy: its word binds, and what is not exactly a decision is a denial (invariant I1, fail closed)."""

from __future__ import annotations

from typing import Any

import pytest
from amas_chassis.errors import AmasError
from amas_policy_sidecar.domain.model import Effect, Outcome

from .fakes import ALLOW, DENY, REQUIREMENT, escalating
from .manifests import bundle, role, tool_server
from .world import World

ESCALATE = {**ALLOW, "effect": "escalate", "approval": REQUIREMENT}


async def test_a_denial_of_policy_is_recorded_and_nothing_is_called() -> None:
    """I1: no effect against policy; the record has the whole input, for the replay (I10)."""
    world = World()
    world.engine.answer = DENY
    answer = await world.enforce(world.command())
    assert (answer.decision.effect, answer.result.outcome) == (Effect.DENY, Outcome.NOT_CALLED)
    assert [reason.code for reason in answer.decision.reasons] == ["NOT_TODAY"]
    assert world.tools.calls == []
    data = world.audit.data("dev.amas.action.denied")
    assert data["input"] == world.engine.documents[0]
    assert data["decision"]["reasons"] == [{"code": "NOT_TODAY", "message": "not today"}]


async def test_an_escalation_says_who_may_approve_and_calls_nothing() -> None:
    """I3: an escalated action waits; digest, bundle and requirement go back for the approval."""
    world = World()
    world.engine.answer = escalating
    answer = await world.enforce(world.command())
    assert answer.decision.effect is Effect.ESCALATE
    assert answer.decision.approval is not None
    assert answer.decision.approval.groups == ("release-managers",)
    assert answer.decision.bundle == world.bundle.digest
    assert answer.decision.action_digest.startswith("sha256:")
    assert world.tools.calls == []
    assert world.audit.order == ["dev.amas.action.escalated"]


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        {},
        [],
        "allow",
        {"effect": "allow"},
        {**ALLOW, "effect": "ALLOW"},
        {**ALLOW, "effect": True},
        {**ALLOW, "extra": 1},
        {**ALLOW, "reasons": "because"},
        {**ALLOW, "reasons": [{"code": "A"}]},
        {**ALLOW, "reasons": [{"code": "A", "message": 1}]},
        {**ALLOW, "obligations": [1]},
        {**ALLOW, "obligations": None},
        {**ALLOW, "approval": REQUIREMENT},
        {**ESCALATE, "approval": None},
        {**ESCALATE, "approval": {**REQUIREMENT, "quorum": 0}},
        {**ESCALATE, "approval": {**REQUIREMENT, "quorum": True}},
        {**ESCALATE, "approval": {**REQUIREMENT, "expiresIn": float("inf")}},
        {**ESCALATE, "approval": {**REQUIREMENT, "fourEyes": "yes"}},
        {**ESCALATE, "approval": {**REQUIREMENT, "from": "release-managers"}},
        {**ESCALATE, "approval": {"from": ["x"]}},
    ],
)
async def test_nonsense_of_the_engine_is_a_denial(nonsense: Any) -> None:
    """I1: an answer that is not exactly of the agreed shape never allows and never escalates."""
    world = World()
    world.engine.answer = nonsense
    answer = await world.enforce(world.command())
    assert answer.decision.effect is Effect.DENY
    assert answer.decision.reasons[0].code == "POLICY_DECISION_INVALID"
    assert world.tools.calls == []
    assert world.audit.order == ["dev.amas.action.denied"]


async def test_an_engine_that_is_away_stops_the_action() -> None:
    """I2: if policy cannot answer, nothing happens, and the caller may try again."""
    world = World()
    world.engine.away = True
    with pytest.raises(AmasError) as error:
        await world.enforce(world.command())
    assert error.value.reason == "POLICY_ENGINE_UNAVAILABLE"
    assert world.tools.calls == []


async def test_the_input_is_the_agreed_document() -> None:
    """The policies are written against this document: every field, and nothing else."""
    world = World()
    await world.enforce(world.command())
    assert world.engine.documents == [
        {
            "action": {
                "kind": "tool",
                "tool": "git/commit",
                "server": "git",
                "effect": "write",
                "idempotent": False,
                "arguments": {"message": "docs: notes"},
                "sensitive": [{"path": "message", "trusted": True}],
                "clearance": None,
                "dlp": {"denied": [], "held": [], "changed": []},
            },
            "principal": {
                "subject": "developer",
                "issuer": "http://issuer.test",
                "tenant": "acme",
                "roles": ["developer"],
                "groups": [],
            },
            "run": {"orchestration": "release-notes", "step": "publish"},
            "role": {
                "name": "publisher",
                "version": "1.0.0",
                "route": "default",
                "clearance": {"confidentiality": "internal", "categories": []},
                "delegates": [],
                "delegatedBy": [],
            },
            "grant": {"tool": "git/commit", "untrusted": "trustedArguments", "approval": None, "amounts": []},
            "context": {"label": {"confidentiality": "internal", "categories": [], "integrity": "trusted"}},
            "approval": None,
            "autonomy": None,
        }
    ]


async def test_equal_questions_of_two_runs_are_the_same_document() -> None:
    """What a decision may not depend on is not in the document: neither the run, nor the turn, nor the time."""
    world = World()
    await world.enforce(world.command())
    world.clock.advance(60)
    await world.enforce(world.command(key="other", run_id="run-2", step="publish/helper[3.1]", turn=7))
    assert world.engine.documents[0] == world.engine.documents[1]


async def test_amounts_are_read_from_the_arguments() -> None:
    """The bounds of the whole chain are in the document with the size that the call asks for, or null."""
    bounds = [{"argument": "message", "escalateAbove": 10}, {"argument": "refund.amount", "denyAbove": 20.5}]
    tool = {"name": "git/commit", "amounts": bounds}
    world = World(bundle=bundle(role("publisher", [tool]), tool_server()))
    await world.enforce(world.command(arguments='{"message":"-12.50"}'))
    assert world.engine.documents[0]["grant"]["amounts"] == [
        {"argument": "message", "size": 12.5, "escalateAbove": 10.0, "denyAbove": None},
        {"argument": "refund.amount", "size": None, "escalateAbove": None, "denyAbove": 20.5},
    ]


async def test_a_bundle_that_is_not_loaded_is_asked_for() -> None:
    """The caller holds the content: it is told to load the bundle, not denied."""
    world = World()
    with pytest.raises(AmasError) as error:
        await world.enforce(world.command(bundle="sha256:" + "0" * 64))
    assert error.value.reason == "BUNDLE_UNKNOWN"
