"""The rules by which an answer counts (invariant I3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest
from amas_chassis.errors import AmasError
from amas_orchestrator.domain import answering
from amas_orchestrator.domain.answering import Verdict
from amas_orchestrator.domain.approvals import (
    Approval,
    ApprovalKind,
    ApprovalState,
    Edit,
    Proposer,
)
from amas_orchestrator.domain.model import Principal, Reason
from amas_orchestrator.domain.rendering import rendering_digest
from amas_orchestrator.domain.requirement import ADMINISTRATORS, EscalationRule, Requirement

from ..fakes import ADMIN, DEVELOPER, MANAGER, START, UNTRUSTED

DIGEST = "sha256:" + "a" * 64


def approval(**changes: object) -> Approval:
    """A pending approval of a write."""
    made = Approval(
        id="apr-1",
        tenant="acme",
        run_id="run-1",
        workflow_id="run-1",
        step="publish",
        kind=ApprovalKind.ACTION,
        state=ApprovalState.PENDING,
        requester="developer",
        role="publisher",
        purpose="Publishes.",
        tool="git/git_commit",
        arguments_json="{}",
        action_digest=DIGEST,
        bundle="sha256:" + "b" * 64,
        reasons=(Reason("APPROVAL_REQUIRED", "a human must agree"),),
        requirement=Requirement(("release-managers",), 1, True, 1800.0),
        requested_at=START,
        expires_at=START + timedelta(minutes=30),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def answer(
    asked: Approval,
    principal: Principal = MANAGER,
    *,
    approve: bool = True,
    digest: str = DIGEST,
    shown: str = "",
    after: timedelta = timedelta(minutes=1),
) -> Approval:
    """The approval with an answer."""
    return answering.answer(asked, principal, Verdict(approve, "r", digest, shown), START + after)


def manager(name: str) -> Principal:
    """Another release manager."""
    return replace(MANAGER, subject=name)


def test_one_yes_approves_where_one_is_enough() -> None:
    """The answer is kept with who gave it, the groups that made it count, and digests of what was shown."""
    asked = approval()
    decided = answer(asked)
    assert decided.state is ApprovalState.APPROVED
    kept = decided.answers[0]
    assert (kept.approver, kept.issuer, kept.groups) == ("release-manager", "https://issuer", ("release-managers",))
    assert (kept.action_digest, kept.rendering_digest) == (DIGEST, rendering_digest(asked))
    assert (kept.reason, kept.time) == ("r", START + timedelta(minutes=1))


def test_what_was_shown_is_part_of_the_answer() -> None:
    """I3: an answer to another rendering is refused; the digest covers all that people decide by."""
    asked = approval()
    assert answer(asked, shown=rendering_digest(asked)).state is ApprovalState.APPROVED
    tainted = Proposer(label=UNTRUSTED)
    for changes in (
        {"purpose": "Publishes more."},
        {"arguments_json": '{"all":true}'},
        {"reasons": ()},
        {"proposer": tainted},
        {"proposer": Proposer(delegated_by=("writer",))},
        {"proposer": Proposer(application="portal")},
        {"requirement": Requirement(("release-managers",), 2, True, 1800.0)},
        {"expires_at": START + timedelta(days=1)},
    ):
        other = approval(**changes)
        assert rendering_digest(other) != rendering_digest(asked), changes
        with pytest.raises(AmasError, match="RENDERING_DIGEST_MISMATCH"):
            answer(asked, shown=rendering_digest(other))
    assert rendering_digest(answer(asked)) == rendering_digest(asked), "answers come after what was shown"


def test_a_quorum_needs_as_many_different_people() -> None:
    """Two of two; the same person twice is refused."""
    two = approval(requirement=Requirement(("release-managers",), 2, True, 1800.0))
    first = answer(two)
    assert first.state is ApprovalState.PENDING
    with pytest.raises(AmasError, match="APPROVAL_ALREADY_ANSWERED"):
        answer(first)
    assert answer(first, manager("other")).state is ApprovalState.APPROVED


def test_one_no_rejects_whatever_the_quorum() -> None:
    """Nobody is outvoted."""
    two = approval(requirement=Requirement(("release-managers",), 2, True, 1800.0))
    assert answer(answer(two), manager("other"), approve=False).state is ApprovalState.REJECTED


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": ApprovalState.APPROVED}, "APPROVAL_ALREADY_DECIDED"),
        ({"state": ApprovalState.REJECTED}, "APPROVAL_ALREADY_DECIDED"),
        ({"state": ApprovalState.EXPIRED}, "APPROVAL_EXPIRED"),
        ({"state": ApprovalState.CANCELLED}, "APPROVAL_CANCELLED"),
        ({"state": ApprovalState.OPENING}, "APPROVAL_NOT_READY"),
        ({"expires_at": START + timedelta(minutes=1)}, "APPROVAL_EXPIRED"),
        ({"action_digest": "sha256:" + "c" * 64}, "ACTION_DIGEST_MISMATCH"),
    ],
)
def test_an_approval_that_is_not_what_was_shown_is_refused(changes: dict[str, object], reason: str) -> None:
    """Decided, expired, withdrawn or about another action: no answer counts, neither yes nor no."""
    for approve in (True, False):
        with pytest.raises(AmasError, match=reason):
            answer(approval(**changes), approve=approve)


@pytest.mark.parametrize(
    "principal",
    [
        replace(MANAGER, groups=("others",)),
        replace(MANAGER, groups=(), roles=("release-managers",)),
        ADMIN,
        replace(DEVELOPER, groups=()),
    ],
)
def test_only_members_of_the_groups_count(principal: Principal) -> None:
    """Roles are not groups, and an administrator is no release manager."""
    with pytest.raises(AmasError, match="APPROVER_NOT_ELIGIBLE"):
        answer(approval(), principal)


def test_four_eyes_are_four() -> None:
    """Neither who asked nor the application that asked for them can approve, but they may say no."""
    requester = replace(MANAGER, subject="developer")
    with pytest.raises(AmasError, match="FOUR_EYES_REQUIRED"):
        answer(approval(), requester)
    assert answer(approval(), requester, approve=False).state is ApprovalState.REJECTED
    through_portal = approval(proposer=Proposer(application="portal"))
    with pytest.raises(AmasError, match="FOUR_EYES_REQUIRED"):
        answer(through_portal, replace(MANAGER, subject="portal"))
    with pytest.raises(AmasError, match="FOUR_EYES_REQUIRED"):
        answer(through_portal, requester)
    alone = approval(requirement=Requirement(("release-managers",), 1, False, 1800.0))
    assert answer(alone, requester).state is ApprovalState.APPROVED


def test_administrators_answer_where_no_contract_names_anybody() -> None:
    """Unknown outcomes and bounds are theirs by default."""
    asked = approval(requirement=Requirement.of(None))
    assert answer(asked, ADMIN).answers[0].groups == (ADMINISTRATORS,)
    with pytest.raises(AmasError, match="APPROVER_NOT_ELIGIBLE"):
        answer(asked, MANAGER)


def test_groups_count_as_of_the_answer() -> None:
    """I3: who was in the group when answering has answered; losing the group afterwards takes nothing back."""
    two = approval(requirement=Requirement(("release-managers",), 2, True, 1800.0))
    first = answer(two)
    lost = replace(MANAGER, groups=())
    with pytest.raises(AmasError, match="APPROVER_NOT_ELIGIBLE"):
        answer(first, lost)
    decided = answer(first, manager("other"))
    assert decided.state is ApprovalState.APPROVED
    assert [a.groups for a in decided.answers] == [("release-managers",), ("release-managers",)]


def test_more_groups_may_answer_once_the_approval_has_waited() -> None:
    """I3: a group that was not reached yet does not count; from its time on it does, and the first ones still do."""
    later = EscalationRule(900.0, ("directors",))
    asked = approval(requirement=Requirement(("release-managers",), 1, True, 1800.0, escalate=(later,)))
    director = replace(MANAGER, subject="director", groups=("directors",))
    for after in (timedelta(), timedelta(seconds=899)):
        with pytest.raises(AmasError, match="APPROVER_NOT_ELIGIBLE"):
            answer(asked, director, after=after)
    assert answer(asked, director, after=timedelta(seconds=900)).answers[0].groups == ("directors",)
    assert answer(asked, after=timedelta(seconds=900)).answers[0].groups == ("release-managers",)
    with pytest.raises(AmasError, match="APPROVAL_EXPIRED"):
        answer(asked, director, after=timedelta(seconds=1800))


def test_what_was_approved_does_not_hang_on_the_order_of_answers() -> None:
    """I3: of several actions the one that reached its quorum is approved, however answers of one moment are sorted."""
    two = Requirement(("release-managers",), 2, True, 1800.0)
    other = "sha256:" + "e" * 64
    asked = approval(requirement=two)
    edit = Edit(other, '{"a":1}', "zoe", "https://issuer", START, asked.reasons, two)
    asked = answering.answer(asked, manager("zoe"), Verdict(True, "", other), START, edit)
    asked = answer(asked, manager("yan"))
    decided = answering.answer(asked, manager("amy"), Verdict(True, "", other), START + timedelta(minutes=1))
    assert decided.state is ApprovalState.APPROVED
    for answers in permutations(decided.answers):
        shuffled = replace(decided, answers=answers)
        assert shuffled.approved_question == decided.edited(edit)
        assert {given.approver for given in shuffled.approved_answers} == {"zoe", "amy"}
