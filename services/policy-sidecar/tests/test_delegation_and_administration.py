"""Delegations and acts of administration: decided by contract, policy and labels, and on record before they happen."""

from __future__ import annotations

from typing import Any

import pytest
from amas_chassis.errors import AmasError
from amas_governance.labels import Confidentiality, Integrity, Label
from amas_policy_sidecar.domain.model import AdminAction, Decision, DelegateAction, Effect

from .fakes import ALLOW, DENY, escalating
from .manifests import COMMIT, bundle, role, tool_server
from .world import World

TASK = DelegateAction("helper", '{"topic":"a"}')
SECRET = "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345"
APPLY = AdminAction("apply", (("AgentRole", "writer"),))


def team(**helper: Any) -> World:
    """A lead who may ask a helper; both may commit."""
    lead = role("lead", [COMMIT, {"name": "git/log"}], delegates=["helper"])
    return World(bundle=bundle(lead, role("helper", [COMMIT], **helper), tool_server()))


async def decide(world: World, ask: str) -> Decision:
    """One decision of the kind."""
    if ask == "delegation":
        return await world.delegation(world.context(role="lead"), TASK)
    return await world.administration(world.context(role=""), APPLY)


async def test_a_delegation_is_put_to_policy_with_what_the_delegate_could_do() -> None:
    """I1, I10: policy sees the delegate's clearance and reach within the whole chain; the record has that input."""
    world = team(data={"clearance": "public"})
    context = world.context(role="lead", label=Label(Confidentiality.PUBLIC, frozenset(), Integrity.TRUSTED))
    decision = await world.delegation(context, TASK)
    assert decision.effect is Effect.ALLOW
    (document,) = world.engine.documents
    assert document["action"] == {
        "kind": "delegate",
        "delegate": "helper",
        "delegateClearance": {"confidentiality": "public", "categories": []},
        "arguments": {"topic": "a"},
        "reach": [{"tool": "git/commit", "effect": "write", "approval": False}],
    }
    data = world.audit.data("dev.amas.delegation.decided")
    assert data["input"] == document
    assert data["decision"]["id"] == decision.id
    assert data["action"]["digest"] == decision.action_digest


@pytest.mark.parametrize(
    ("context", "action", "code"),
    [
        ({"role": "helper"}, DelegateAction("lead", "{}"), "DELEGATION_NOT_GRANTED"),
        ({}, DelegateAction("nobody", "{}"), "ROLE_UNKNOWN"),
        ({"role": "nobody"}, TASK, "ROLE_UNKNOWN"),
        ({}, DelegateAction("helper", "[]"), "ARGUMENTS_MALFORMED"),
        ({}, DelegateAction("helper", '{"a":1,"a":2}'), "ARGUMENTS_MALFORMED"),
        ({"label": Label(Confidentiality.CONFIDENTIAL, frozenset(), Integrity.TRUSTED)}, TASK, "CLEARANCE_EXCEEDED"),
        ({}, DelegateAction("helper", f'{{"topic":"{SECRET}"}}'), "SECRET_IN_ARGUMENTS"),
    ],
)
async def test_what_the_contracts_do_not_grant_is_denied_whatever_policy_says(
    context: dict[str, Any], action: DelegateAction, code: str
) -> None:
    """I1, I6: contract, labels and secrets are held in the code as well; the record has no secret."""
    world = team()
    decision = await world.delegation(world.context(**{"role": "lead", **context}), action)
    assert (decision.effect, decision.reasons[0].code) == (Effect.DENY, code)
    data = world.audit.data("dev.amas.delegation.decided")
    assert data["decision"]["effect"] == "deny"
    assert SECRET not in str(data)


@pytest.mark.parametrize("ask", ["delegation", "administration"])
@pytest.mark.parametrize(
    ("answer", "code"),
    [(DENY, "NOT_TODAY"), (escalating, "ESCALATION_UNSUPPORTED"), ({"effect": "allow"}, "POLICY_DECISION_INVALID")],
)
async def test_policy_binds_and_nobody_can_approve(ask: str, answer: Any, code: str) -> None:
    """I1: a denial, an escalation that nobody could answer, and nonsense are denials."""
    world = team()
    world.engine.answer = answer
    decision = await decide(world, ask)
    assert decision.effect is Effect.DENY
    assert decision.reasons[0].code.endswith(code)
    assert world.audit.data(f"dev.amas.{ask}.decided")["decision"]["effect"] == "deny"


@pytest.mark.parametrize("ask", ["delegation", "administration"])
@pytest.mark.parametrize("away", ["policy", "audit"])
async def test_without_policy_or_record_there_is_no_decision(ask: str, away: str) -> None:
    """I2: what cannot be decided or recorded is an error, and so does not happen."""
    world = team()
    world.engine.away = away == "policy"
    if away == "audit":
        world.audit.away = {f"dev.amas.{ask}.decided"}
    with pytest.raises(AmasError) as caught:
        await decide(world, ask)
    assert caught.value.reason == {"policy": "POLICY_ENGINE_UNAVAILABLE", "audit": "AUDIT_UNAVAILABLE"}[away]
    assert [event.data["decision"]["effect"] for event in world.audit.events.values()] == ["deny"] * (
        away == "policy" and ask == "delegation"
    )


async def test_a_late_executor_delegates_nothing() -> None:
    """I4: the record of a delegation carries the fencing token."""
    world = team()
    world.audit.fence = 7
    with pytest.raises(AmasError) as caught:
        await world.delegation(world.context(role="lead"), DelegateAction("helper", "{}", fencing_token=6))
    assert caught.value.reason == "FENCED"


async def test_administration_is_put_to_policy_without_data_of_a_run() -> None:
    """Policy sees the principal, the verb and the resources, and on record stands the same."""
    world = team()
    decision = await world.administration(world.context(role="", run_id="", step=""), APPLY)
    assert decision.effect is Effect.ALLOW
    (document,) = world.engine.documents
    assert document["action"] == {
        "kind": "admin",
        "verb": "apply",
        "resources": [{"kind": "AgentRole", "name": "writer"}],
    }
    assert (document["role"], document["run"], document["context"]) == (None, None, {"label": None})
    assert world.audit.data("dev.amas.administration.decided")["input"] == document
    assert ALLOW["reasons"][0]["code"] == decision.reasons[0].code
