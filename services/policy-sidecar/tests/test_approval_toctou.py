"""What may change between the decision, the approval and the call, and what the approval is then worth (I3)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from amas_governance.labels import Confidentiality, Label
from amas_policy_sidecar.domain.model import Effect, Principal
from amas_policy_sidecar.domain.quota import QuotaClaim, QuotaVerdict

from .fakes import escalating
from .manifests import OFFERED
from .test_approvals import USED, escalated, grant
from .world import World


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"run_id": "run-2"},
        {"step": "another-step"},
        {"principal": Principal("developer", "http://issuer.test", "globex", ("developer",))},
    ],
    ids=["run", "step", "tenant"],
)
async def test_a_grant_is_worth_nothing_elsewhere(elsewhere: Mapping[str, Any]) -> None:
    """I3: the same words in another run, step or tenant are another action; the grant does not travel."""
    world = World()
    approval = grant(await escalated(world))
    answer = await world.enforce(world.command(key="replayed", approval=approval, **elsewhere))
    assert answer.decision.effect is Effect.DENY
    assert answer.decision.reasons[0].code == "APPROVAL_OTHER_ACTION"
    assert world.tools.calls == []
    assert USED not in world.audit.order


@pytest.mark.parametrize(
    ("now_asked", "code"),
    [
        ({"quorum": 2}, "APPROVAL_QUORUM_MISSING"),
        ({"from": ["auditors"]}, "APPROVAL_WRONG_GROUP"),
    ],
)
async def test_the_requirement_is_the_one_of_the_call_not_of_the_asking(now_asked: dict[str, Any], code: str) -> None:
    """I3: what policy asks for when the call is made is what the grant is held against."""
    world = World()
    approval = grant(await escalated(world))

    def stricter(document: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = escalating(document)
        return {**answer, "approval": answer["approval"] and {**answer["approval"], **now_asked}}

    world.engine.answer = stricter
    answer = await world.enforce(world.command(key="do", approval=approval))
    assert answer.decision.reasons[0].code == code
    assert world.tools.calls == []


async def test_a_policy_that_says_no_by_now_outweighs_the_approval() -> None:
    """I3: an approval answers an escalation; it never answers a denial."""
    world = World()
    approval = grant(await escalated(world))
    no = {"effect": "deny", "reasons": [{"code": "FROZEN", "message": "no"}], "obligations": [], "approval": None}
    world.engine.answer = lambda _: no
    answer = await world.enforce(world.command(key="do", approval=approval))
    assert answer.decision.reasons[0].code == "FROZEN"
    assert USED not in world.audit.order


async def test_a_tool_that_changed_after_the_approval_is_not_called() -> None:
    """I3: the approver saw another tool than the one that would be called now."""
    world = World()
    approval = grant(await escalated(world))
    changed = replace(OFFERED[1], definition={**OFFERED[1].definition, "description": "Commits, and pushes."})
    world.tools.offered = (OFFERED[0], changed)
    answer = await world.enforce(world.command(key="do", approval=approval))
    assert answer.decision.reasons[0].code == "TOOL_PIN_MISMATCH"
    assert world.tools.calls == []
    assert USED not in world.audit.order


async def test_an_approval_that_expires_while_a_place_is_waited_for_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """I3: the clock is asked again right before the intent is recorded; nothing is called after the expiry."""
    world = World()
    approval = grant(await escalated(world))
    take = world.quota.take

    async def slow(claim: QuotaClaim) -> QuotaVerdict:
        world.clock.advance(3600)
        return await take(claim)

    monkeypatch.setattr(world.quota, "take", slow)
    answer = await world.enforce(world.command(key="do", approval=approval))
    assert answer.decision.reasons[0].code == "APPROVAL_EXPIRED"
    assert world.tools.calls == []
    assert USED not in world.audit.order


async def test_an_approval_does_not_lift_a_context_over_its_clearance() -> None:
    """I3, I6: what the model has seen since is checked again; an approval is no declassification."""
    world = World()
    approval = grant(await escalated(world))
    seen = Label(Confidentiality.RESTRICTED)
    answer = await world.enforce(world.command(key="do", approval=approval, label=seen))
    assert answer.decision.effect is Effect.DENY
    assert world.tools.calls == []
    assert USED not in world.audit.order


async def test_one_approval_asked_for_twice_at_once_is_used_once() -> None:
    """I3: calls under different keys race for one approval; one is made."""
    world = World()
    approval = grant(await escalated(world))
    answers = await asyncio.gather(
        *(world.enforce(world.command(key=key, approval=approval)) for key in ("a", "b", "c"))
    )
    assert sorted(answer.decision.effect for answer in answers) == [Effect.ALLOW, Effect.DENY, Effect.DENY]
    refused = [answer for answer in answers if answer.decision.effect is Effect.DENY]
    assert {answer.decision.reasons[0].code for answer in refused} == {"APPROVAL_ALREADY_USED"}
    assert len(world.tools.calls) == 1
