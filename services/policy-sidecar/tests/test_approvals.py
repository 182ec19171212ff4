"""Approvals cover exactly what was shown, by those who may, once (invariant I3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from amas_policy_sidecar.domain.model import ApprovalGrant, Effect, Enforced, Outcome

from .fakes import NOW, escalating
from .manifests import COMMIT, bundle, role, tool_server
from .world import World

USED = "dev.amas.approval.used"


async def escalated(world: World, **command: Any) -> Enforced:
    """The escalation that an approval answers."""
    world.engine.answer = escalating
    answer = await world.enforce(world.command(key="ask", **command))
    assert answer.decision.effect is Effect.ESCALATE
    return answer


def grant(answer: Enforced, **changes: Any) -> ApprovalGrant:
    """An approval of exactly that, by a release manager."""
    values: dict[str, Any] = {
        "approval_id": "approval-1",
        "action_digest": answer.decision.action_digest,
        "bundle": answer.decision.bundle,
        "requester": "developer",
        "approvers": ("release-manager",),
        "approver_groups": frozenset({"release-manager:release-managers"}),
        "expires_at": NOW + timedelta(minutes=30),
    }
    return ApprovalGrant(**{**values, **changes})


async def test_an_approved_action_is_done_and_the_use_recorded() -> None:
    """I3: with the approval the very action that was shown is done; its use is recorded before the call."""
    world = World()
    approval = grant(await escalated(world))
    seen: list[list[str]] = []
    world.tools.before = lambda: seen.append(list(world.audit.order))
    answer = await world.enforce(world.command(key="do", approval=approval))
    assert answer.decision.effect is Effect.ALLOW
    assert answer.result.outcome is Outcome.SUCCEEDED
    assert seen == [["dev.amas.action.escalated", USED, "dev.amas.action.intent"]]
    assert world.audit.data(USED)["idempotencyKey"] == "do"
    assert world.engine.documents[-1]["approval"]["valid"] is True


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"action_digest": "sha256:" + "0" * 64}, "APPROVAL_OTHER_ACTION"),
        ({"bundle": "sha256:" + "0" * 64}, "APPROVAL_OTHER_BUNDLE"),
        ({"expires_at": NOW}, "APPROVAL_EXPIRED"),
        ({"expires_at": None}, "APPROVAL_EXPIRED"),
        ({"approvers": ()}, "APPROVAL_QUORUM_MISSING"),
        (
            {"approvers": ("developer",), "approver_groups": frozenset({"developer:release-managers"})},
            "APPROVAL_BY_REQUESTER",
        ),
        (
            {
                "requester": "somebody-else",
                "approvers": ("developer",),
                "approver_groups": frozenset({"developer:release-managers"}),
            },
            "APPROVAL_BY_REQUESTER",
        ),
        (
            {"approvers": ("portal",), "approver_groups": frozenset({"portal:release-managers"})},
            "APPROVAL_BY_REQUESTER",
        ),
        ({"approver_groups": frozenset({"release-manager:auditors"})}, "APPROVAL_WRONG_GROUP"),
        ({"approver_groups": frozenset({"other:release-managers"})}, "APPROVAL_WRONG_GROUP"),
        ({"approver_groups": frozenset()}, "APPROVAL_WRONG_GROUP"),
    ],
)
async def test_what_does_not_cover_the_action_is_refused(changes: Mapping[str, Any], code: str) -> None:
    """I3: another action, another bundle, too late, by nobody, by the requester, by the wrong group: refused."""
    world = World()
    approval = grant(await escalated(world), **changes)
    answer = await world.enforce(world.command(key="do", approval=approval))
    assert answer.decision.effect is Effect.DENY
    assert answer.decision.reasons[0].code == code
    assert world.tools.calls == []
    assert USED not in world.audit.order


async def test_changed_arguments_are_another_action() -> None:
    """I3: an approval of one message does not cover another."""
    world = World()
    approval = grant(await escalated(world))
    answer = await world.enforce(world.command(key="do", arguments='{"message":"docs: other"}', approval=approval))
    assert answer.decision.reasons[0].code == "APPROVAL_OTHER_ACTION"


@pytest.mark.parametrize("restart", [False, True])
async def test_an_approval_is_used_once(restart: bool) -> None:
    """I3: a second use under another key is refused, also by another process."""
    world = World()
    approval = grant(await escalated(world))
    await world.enforce(world.command(key="do", approval=approval))
    if restart:
        world.restart()
    answer = await world.enforce(world.command(key="do-again", approval=approval))
    assert answer.decision.effect is Effect.DENY
    assert answer.decision.reasons[0].code == "APPROVAL_ALREADY_USED"
    assert len(world.tools.calls) == 1


async def test_the_retry_of_an_approved_action_is_answered_after_the_expiry() -> None:
    """I4: the action was done in time; a retry with the same key gets its outcome, not a refusal."""
    world = World()
    approval = grant(await escalated(world))
    await world.enforce(world.command(key="do", approval=approval))
    world.restart()
    world.clock.advance(3600)
    answer = await world.enforce(world.command(key="do", approval=approval))
    assert answer.result.outcome is Outcome.SUCCEEDED
    assert answer.replayed


async def test_a_quorum_counts_people() -> None:
    """I3: two approvals are those of two, however often one is named."""
    world = World()

    def two(document: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = escalating(document)
        return {**answer, "approval": answer["approval"] and {**answer["approval"], "quorum": 2}}

    world.engine.answer = two
    asked = await world.enforce(world.command(key="ask"))
    one = grant(asked, approvers=("release-manager", "release-manager"))
    both = grant(
        asked,
        approvers=("release-manager", "second-manager"),
        approver_groups=frozenset({"release-manager:release-managers", "second-manager:release-managers"}),
    )
    refused = await world.enforce(world.command(key="do", approval=one))
    assert refused.decision.reasons[0].code == "APPROVAL_QUORUM_MISSING"
    allowed = await world.enforce(world.command(key="do-2", approval=both))
    assert allowed.decision.effect is Effect.ALLOW


async def test_policy_may_refuse_to_let_an_approval_decide() -> None:
    """An escalation that stays one after a valid approval is a denial, not an endless question."""
    world = World()
    approval = grant(await escalated(world))
    world.engine.answer = escalating({"approval": None})
    answer = await world.enforce(world.command(key="do", approval=approval))
    assert answer.decision.reasons[0].code == "APPROVAL_INSUFFICIENT"


async def test_an_approved_repetition_repeats_an_unknown_outcome_once_and_costs_no_call() -> None:
    """I4: a human may let an unknown call be repeated; it is the same call, so a limit of one does not stop it."""
    world = World(bundle=bundle(role("publisher", [{**COMMIT, "limits": {"calls": 1}}]), tool_server()))
    approval = grant(await escalated(world))
    world.audit.away = {"dev.amas.action.outcome"}
    with pytest.raises(Exception, match="AUDIT_UNAVAILABLE"):
        await world.enforce(world.command(key="do", approval=approval))
    world.audit.away = set()
    world.restart()
    unknown = await world.enforce(world.command(key="do", approval=approval))
    assert unknown.result.outcome is Outcome.UNKNOWN
    again = grant(unknown, approval_id="approval-2", repeats_unknown_outcome=True)
    answer = await world.enforce(world.command(key="do/again", approval=again))
    assert answer.result.outcome is Outcome.SUCCEEDED
    twice = await world.enforce(world.command(key="do/again-2", approval=again))
    assert twice.decision.reasons[0].code == "APPROVAL_ALREADY_USED"
    assert len(world.tools.calls) == 2


async def test_a_group_with_a_colon_never_matches() -> None:
    """`a:b:c` names two pairs of name and group; an ambiguous claim approves nothing."""
    world = World()

    def odd(document: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = escalating(document)
        return {**answer, "approval": answer["approval"] and {**answer["approval"], "from": ["b:c"]}}

    world.engine.answer = odd
    asked = await world.enforce(world.command(key="ask"))
    approval = grant(asked, approvers=("a",), approver_groups=frozenset({"a:b:c"}))
    answer = await world.enforce(world.command(key="do", approval=approval))
    assert answer.decision.reasons[0].code == "APPROVAL_WRONG_GROUP"


def escalating_to_directors(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Asks release managers, and after 15 minutes directors too."""
    answer = escalating(document)
    later = {"remindAfter": 600, "escalate": [{"after": 900, "to": ["directors"]}]}
    return {**answer, "approval": answer["approval"] and {**answer["approval"], **later}}


@pytest.mark.parametrize(
    ("waited", "code"), [(None, "APPROVAL_WRONG_GROUP"), (899, "APPROVAL_WRONG_GROUP"), (900, ""), (1000, "")]
)
async def test_a_group_counts_from_the_time_on_that_policy_lets_it_answer(waited: int | None, code: str) -> None:
    """I3: an answer of a group that was not reached yet, or that nobody says the time of, does not count."""
    world = World()
    world.engine.answer = escalating_to_directors
    asked = await world.enforce(world.command(key="ask"))
    times = {} if waited is None else {"answered_at": (NOW + timedelta(seconds=waited),)}
    approval = grant(
        asked,
        approvers=("director",),
        approver_groups=frozenset({"director:directors"}),
        requested_at=NOW,
        **times,
    )
    answer = await world.enforce(world.command(key="do", approval=approval))
    assert (answer.decision.reasons[0].code if code else "") == code
    assert len(world.tools.calls) == (0 if code else 1)


async def test_a_group_that_policy_does_not_name_never_counts_however_long_it_waited() -> None:
    """I3: the stages are those that policy states now, not those that the approval brings along."""
    world = World()
    asked = await escalated(world)
    approval = grant(
        asked,
        approvers=("director",),
        approver_groups=frozenset({"director:directors"}),
        requested_at=NOW,
        answered_at=(NOW + timedelta(hours=1),),
    )
    answer = await world.enforce(world.command(key="do", approval=approval))
    assert answer.decision.reasons[0].code == "APPROVAL_WRONG_GROUP"


async def test_an_expiry_is_no_longer_than_policy_gives() -> None:
    """I3: a grant that claims more time than policy gives such an approval is over when policy's time is."""
    world = World()
    asked = await escalated(world)
    approval = grant(asked, requested_at=NOW - timedelta(hours=2), expires_at=NOW + timedelta(days=365))
    answer = await world.enforce(world.command(key="do", approval=approval))
    assert answer.decision.reasons[0].code == "APPROVAL_EXPIRED"
