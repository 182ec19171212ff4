"""The shipped policies read the very documents that the sidecar writes: a few decisions of each kind, end to end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from amas_governance.bundle import Bundle, PolicySet
from amas_governance.labels import Confidentiality, Integrity, Label
from amas_policy_sidecar.adapters.wasm_engine import WasmEngine
from amas_policy_sidecar.domain.autonomy import Tally
from amas_policy_sidecar.domain.model import AdminAction, Decision, DelegateAction, ModelAction

from .manifests import COMMIT, bundle, role, tool_server
from .world import World

POLICIES = Path(__file__).resolve().parents[3] / "policies"
TAINTED = Label(Confidentiality.INTERNAL, frozenset(), Integrity.UNTRUSTED)


@pytest.fixture
def world() -> World:
    """Two roles under the shipped policies, on the embedded engine."""
    lead = role("lead", [{**COMMIT, "untrusted": "escalate"}], delegates=["helper"])
    made = bundle(lead, role("helper", [COMMIT]), tool_server())
    policies = PolicySet({"p.rego": "package p"}, (POLICIES / "build" / "policy.wasm").read_bytes())
    return World(bundle=Bundle.build(made.resources, policies), engine=WasmEngine())  # type: ignore[arg-type]


def said(decision: Decision) -> tuple[str, set[str]]:
    """Effect and codes."""
    return decision.effect.value, {reason.code for reason in decision.reasons}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("allow", {"TOOL_GRANTED"})),
        ({"label": TAINTED}, ("escalate", {"UNTRUSTED_CONTENT"})),
    ],
)
async def test_tools(world: World, changes: dict[str, Any], expected: tuple[str, set[str]]) -> None:
    """A granted write passes, and waits for a human once untrusted content was seen (I6)."""
    answer = await world.enforce(world.command(role="lead", **changes))
    assert said(answer.decision) == expected


async def test_models(world: World) -> None:
    """A role uses its route."""
    decision = await world.decide.model(world.context(role="lead"), ModelAction("default"))
    assert said(decision) == ("allow", {"ROUTE_GRANTED"})


async def test_delegations(world: World) -> None:
    """A role hands on what its contract names, and not in a circle."""
    context = world.context(role="lead")
    assert said(await world.delegation(context, DelegateAction("helper", "{}"))) == ("allow", {"DELEGATION_GRANTED"})
    assert said(await world.delegation(context, DelegateAction("lead", "{}"))) == ("deny", {"DELEGATION_NOT_GRANTED"})


async def test_administration(world: World) -> None:
    """The role of the token decides, and an agent administers nothing."""
    developer = world.context(role="")
    admin = replace(developer, principal=replace(developer.principal, roles=("platform-admin",)))
    apply = AdminAction("apply", (("AgentRole", "lead"),))
    assert said(await world.administration(admin, apply)) == ("allow", {"ADMIN_GRANTED"})
    assert said(await world.administration(developer, apply)) == ("deny", {"ADMIN_ROLE_MISSING"})
    assert said(await world.administration(replace(admin, role="lead"), apply)) == ("deny", {"ADMIN_BY_AGENT"})


async def test_autonomy() -> None:
    """A role that fails too often acts with a human, and then not at all; what it is refused for that burns nothing."""
    autonomy = {"objective": "90%", "pendingApprovals": 2}
    made = bundle(role("lead", [COMMIT], autonomy=autonomy), tool_server())
    policies = PolicySet({"p.rego": "package p"}, (POLICIES / "build" / "policy.wasm").read_bytes())
    world = World(bundle=Bundle.build(made.resources, policies), engine=WasmEngine())  # type: ignore[arg-type]
    for bad, waiting, expected in (
        (0, 0, ("allow", {"TOOL_GRANTED"})),
        (8, 1, ("escalate", {"AUTONOMY_MINIMAL"})),
        (8, 2, ("deny", {"APPROVERS_BUSY"})),
        (8, None, ("deny", {"APPROVERS_BUSY"})),
        (10, 0, ("deny", {"AUTONOMY_NONE"})),
    ):
        world.autonomy.tallies["acme", "role:lead"] = Tally(20, bad)
        command = world.command(role="lead", key=f"{bad}/{waiting}", approvals_waiting=waiting)
        assert said((await world.enforce(command)).decision) == expected
    assert world.autonomy.tallies["acme", "role:lead"] == Tally(20, 10)
