"""Decide: a dry run says what enforcement would say and does nothing; models are decided by route, role and label."""

from __future__ import annotations

from typing import Any

import pytest
from amas_governance.labels import Confidentiality, Integrity, Label
from amas_policy_sidecar.domain.model import Effect, ModelAction, Principal, ToolAction

from .fakes import ALLOW, DENY, escalating
from .manifests import COMMIT, ROUTE, bundle, role, tool_server
from .world import World

MESSAGE = '{"message":"docs: notes"}'


async def test_a_dry_run_records_takes_and_calls_nothing() -> None:
    """I1: a dry run is none of the things that follow a decision."""
    world = World()
    decision = await world.decide.tool(world.context(), ToolAction("git/commit", MESSAGE))
    assert decision.effect is Effect.ALLOW
    assert world.tools.calls == []
    assert world.audit.order == []
    assert world.quota.counted == {}


@pytest.mark.parametrize("answer", [ALLOW, DENY, escalating, None])
async def test_a_dry_run_agrees_with_enforcement(answer: Any) -> None:
    """One pipeline: what a dry run says is what enforcement decides."""
    world = World()
    world.engine.answer = answer
    dry = await world.decide.tool(world.context(), ToolAction("git/commit", MESSAGE))
    real = await world.enforce(world.command(arguments=MESSAGE))
    assert (dry.effect, dry.reasons, dry.action_digest) == (
        real.decision.effect,
        real.decision.reasons,
        real.decision.action_digest,
    )


async def test_a_dry_run_knows_the_quota() -> None:
    """Used-up calls are denied in a dry run too."""
    world = World(bundle=bundle(role("publisher", [{**COMMIT, "limits": {"calls": 1}}]), tool_server()))
    await world.enforce(world.command())
    decision = await world.decide.tool(world.context(), ToolAction("git/commit", MESSAGE))
    assert decision.reasons[0].code == "QUOTA_EXCEEDED"


def label(level: Confidentiality, *categories: str) -> Label:
    return Label(level, frozenset(categories), Integrity.TRUSTED)


@pytest.mark.parametrize(
    ("context", "route", "code"),
    [
        ({}, "other", "ROUTE_NOT_GRANTED"),
        ({"role": "nobody"}, "default", "ROLE_UNKNOWN"),
        ({"role": "", "principal": Principal("x", "i", "acme", ("auditor",))}, "default", "ROLE_MISSING"),
        ({"role": ""}, "other", "ROUTE_UNKNOWN"),
        ({"label": label(Confidentiality.CONFIDENTIAL)}, "default", "CLEARANCE_EXCEEDED"),
        ({"label": label(Confidentiality.PUBLIC, "pii")}, "default", "CATEGORY_NOT_CLEARED"),
        ({"role": "", "label": label(Confidentiality.RESTRICTED)}, "default", "CLEARANCE_EXCEEDED"),
    ],
)
async def test_a_model_call_that_nothing_grants_is_denied(context: dict[str, Any], route: str, code: str) -> None:
    """I1, I6: another route, no role, or data above the route's clearance: denied, also where policy says nothing."""
    world = World()
    decision = await world.decide.model(world.context(**context), ModelAction(route))
    assert decision.effect is Effect.DENY
    assert decision.reasons[0].code == code


@pytest.mark.parametrize("acting", ["publisher", ""])
async def test_a_role_by_its_route_and_a_developer_directly(acting: str) -> None:
    """A role uses the route of its contract; a developer may call a model without a role, with role null for policy."""
    world = World()
    decision = await world.decide.model(world.context(role=acting), ModelAction("default"))
    assert decision.effect is Effect.ALLOW
    document = world.engine.documents[0]
    assert document["action"] == {
        "kind": "model",
        "route": "default",
        "routeClearance": {"confidentiality": "internal", "categories": []},
    }
    assert (document["role"] is None) == (acting == "")
    assert document["grant"] is None


async def test_policy_denies_models_too() -> None:
    """Policy's word binds; an escalation of a model call, which nobody could answer, is a denial."""
    world = World()
    for answer in (DENY, escalating, {"effect": "allow"}):
        world.engine.answer = answer
        assert (await world.decide.model(world.context(), ModelAction("default"))).effect is Effect.DENY


@pytest.mark.parametrize(
    ("otherwise", "category", "effect"),
    [
        ("refuse", "pii", Effect.DENY),
        ("pseudonymise", "pii", Effect.ALLOW),
        ("pseudonymise", "phi", Effect.DENY),
    ],
)
async def test_a_route_admits_what_it_replaces(otherwise: str, category: str, effect: Effect) -> None:
    """I6: a label with personal data passes where the model gets tokens; what no detector finds does not."""
    route = {**ROUTE, "spec": {**ROUTE["spec"], "clearance": {"confidentiality": "internal", "otherwise": otherwise}}}
    reader = role("publisher", [COMMIT], data={"categories": ["pii", "phi"]})
    world = World(bundle=bundle(reader, tool_server(), route=route))
    label = Label(Confidentiality.INTERNAL, frozenset({category}), Integrity.TRUSTED)
    decision = await world.decide.model(world.context(label=label), ModelAction("default"))
    assert decision.effect is effect
