"""Delegation: a delegate never holds more than the intersection of what all in the chain hold (I1)."""

from __future__ import annotations

from typing import Any

import pytest
from amas_governance.labels import Confidentiality, Integrity, Label
from amas_policy_sidecar.domain.contract import Contract, Grant, resolve_contract, resolve_grant
from amas_policy_sidecar.domain.errors import Denied
from amas_policy_sidecar.domain.model import Effect, ModelAction, ToolAction
from hypothesis import given, settings
from hypothesis import strategies as st

from .fakes import TRUSTED
from .manifests import COMMIT, bundle, role, tool_server
from .world import World

# From the strictest on.
UNTRUSTED = ("deny", "escalate", "trustedArguments", "allow")
GROUPS = ("release-managers", "leads", "security")

APPROVALS = st.none() | st.fixed_dictionaries(
    {
        "from": st.lists(st.sampled_from(GROUPS), min_size=1, unique=True),
        "quorum": st.integers(1, 3),
        "fourEyes": st.booleans(),
        "expiresIn": st.sampled_from(["1m", "10m", "1h"]),
    }
)
LEVELS = ("public", "internal", "confidential", "restricted")


@st.composite
def roles(draw: st.DrawFn) -> dict[str, Any]:
    """A role that grants `commit`, in any of the ways there are."""
    grant: dict[str, Any] = {
        "name": "git/commit",
        "untrusted": draw(st.sampled_from(UNTRUSTED)),
        "limits": draw(st.just({}) | st.integers(1, 9).map(lambda calls: {"calls": calls})),
    }
    if draw(st.booleans()):
        grant["arguments"] = {"properties": {"message": {"maxLength": draw(st.integers(1, 99))}}}
    approval = draw(APPROVALS)
    if approval is not None:
        grant["approval"] = approval
    data = {
        "clearance": draw(st.sampled_from(LEVELS)),
        "categories": draw(st.lists(st.sampled_from(["pii", "phi", "pci"]), unique=True)),
    }
    return role("any", [grant], data=data)


def resolved(chain: list[dict[str, Any]]) -> tuple[Contract, Grant]:
    """Contract and grant of a chain of roles, outermost first."""
    names = [f"role{index}" for index in range(len(chain))]
    for index, manifest in enumerate(chain):
        manifest["metadata"] = {"name": names[index]}
        manifest["spec"]["delegates"] = names[index + 1 : index + 2]
    world = World(bundle=bundle(*chain, tool_server()))
    context = world.context(role=names[-1], delegated_by=tuple(names[:-1]))
    contract = resolve_contract(world.bundle, context)
    return contract, resolve_grant(world.bundle, contract, ToolAction("git/commit", "{}"))


@settings(deadline=None)
@given(chain=st.lists(roles(), min_size=1, max_size=4))
def test_a_chain_holds_no_more_than_any_of_its_roles(chain: list[dict[str, Any]]) -> None:
    """I1: clearance, categories, narrowing, approval, limits and distrust of each role bind all that act below it."""
    demands = [set(grant["approval"]["from"]) for r in chain if "approval" in (grant := r["spec"]["tools"][0])]
    if demands and not set.intersection(*demands):
        with pytest.raises(Denied, match="DELEGATION_APPROVAL_CONFLICT"):
            resolved(chain)
        return
    contract, grant = resolved(chain)
    level, categories = contract.clearance
    for index, manifest in enumerate(chain):
        spec, (held,) = manifest["spec"], manifest["spec"]["tools"]
        assert level <= Confidentiality.parse(spec["data"]["clearance"])
        assert categories <= set(spec["data"]["categories"])
        assert UNTRUSTED.index(grant.untrusted) <= UNTRUSTED.index(held["untrusted"])
        assert "arguments" not in held or held["arguments"] in grant.narrowings
        assert grant.call_limits[index].calls == held["limits"].get("calls")
        if "approval" in held:
            assert grant.approval is not None
            wanted = resolved([role("one", [held])])[1].approval
            assert wanted is not None
            assert set(grant.approval.groups) <= set(wanted.groups)
            assert grant.approval.quorum >= wanted.quorum
            assert grant.approval.four_eyes >= wanted.four_eyes
            assert grant.approval.expires_in <= wanted.expires_in


@pytest.mark.parametrize(("outer", "inner"), [(1, None), (None, 1), (1, 5), (5, 1)])
async def test_calls_of_a_delegate_count_for_all_that_delegated(outer: int | None, inner: int | None) -> None:
    """A limit of calls is not got round by having somebody else call, nor by a delegate's own wider one."""
    granted = [{**COMMIT, "limits": {} if calls is None else {"calls": calls}} for calls in (outer, inner)]
    chain = [role("outer", [granted[0]], delegates=["publisher"]), role("publisher", [granted[1]])]
    world = World(bundle=bundle(*chain, tool_server()))
    first = await world.enforce(world.command(key="run-1/a", delegated_by=("outer",)))
    second = await world.enforce(world.command(key="run-1/b", delegated_by=("outer",)))
    assert first.decision.effect is Effect.ALLOW
    assert second.decision.effect is Effect.DENY
    assert second.decision.reasons[0].code == "QUOTA_EXCEEDED"
    assert len(world.tools.calls) == 1


@pytest.mark.parametrize(
    "label",
    [
        Label(Confidentiality.CONFIDENTIAL, frozenset(), Integrity.TRUSTED),
        Label(Confidentiality.INTERNAL, frozenset({"pii"}), Integrity.TRUSTED),
    ],
)
async def test_a_delegate_sees_no_data_that_its_delegator_may_not(label: Label) -> None:
    """A cleared delegate, acting for a role that is not, may neither act on such data nor show it to a model."""
    outer = role("outer", [COMMIT], delegates=["publisher"], data={"clearance": "internal"})
    inner = role("publisher", [COMMIT], data={"clearance": "restricted", "categories": ["pii"]})
    route = {"spec": {"targets": [{"provider": "local", "model": "s"}]}}
    route["spec"]["clearance"] = {"confidentiality": "restricted", "categories": ["pii"]}  # type: ignore[assignment]
    manifest = {"apiVersion": "amas.dev/v1alpha1", "kind": "ModelRoute", "metadata": {"name": "wide"}, **route}
    for manifest_role in (outer, inner):
        manifest_role["spec"]["model"] = {"route": "wide"}
    world = World(bundle=bundle(outer, inner, tool_server(), manifest))
    asked = ModelAction("wide")
    for chain, effect in (((), Effect.ALLOW), (("outer",), Effect.DENY)):
        context = world.context(label=label, delegated_by=chain)
        assert (await world.decide.model(context, asked)).effect is effect
        answer = await world.enforce(world.command(key=f"run-1/{len(chain)}", label=label, delegated_by=chain))
        assert answer.decision.effect is effect
    assert (
        await world.decide.model(world.context(label=TRUSTED, delegated_by=("outer",)), asked)
    ).effect is Effect.ALLOW


async def test_a_delegate_uses_the_model_of_its_own_contract_only() -> None:
    """Neither its delegator's route nor another: a route is named by exactly one contract, the acting one's."""
    outer = role("outer", [COMMIT], delegates=["publisher"], model={"route": "outer-route"})
    world = World(bundle=bundle(outer, role("publisher", [COMMIT]), tool_server()))
    decision = await world.decide.model(world.context(delegated_by=("outer",)), ModelAction("outer-route"))
    assert (decision.effect, decision.reasons[0].code) == (Effect.DENY, "ROUTE_NOT_GRANTED")
