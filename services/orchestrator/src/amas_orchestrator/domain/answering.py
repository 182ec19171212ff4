"""The rules by which a human's answer to an approval counts (invariant I3).

Pure: the store locks the row, asks these rules, and writes what they say in the same transaction. Who the approver is
and which groups it is in comes from the token, as of the answer; that a group is lost afterwards takes nothing back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from amas_chassis.errors import AmasError, ErrorKind

from .approvals import Answer, Approval, ApprovalKind, ApprovalState, Edit
from .errors import refused
from .model import Principal
from .rendering import rendering_digest
from .requirement import ADMINISTRATORS, Requirement

ADMINISTRATOR_ROLE = "platform-admin"
MAX_EDITS = 8
"""Edited actions that one approval may ask about; each is shown to every approver."""


@dataclass(frozen=True)
class Verdict:
    """What a human says, about the action with this digest; `rendering_digest` is of all that was shown, or empty."""

    approve: bool
    reason: str
    action_digest: str
    rendering_digest: str = ""


def answer(
    approval: Approval, principal: Principal, verdict: Verdict, now: datetime, edit: Edit | None = None
) -> Approval:
    """The approval with the answer taken in; raises AmasError when the answer does not count.

    One rejection rejects; approvals approve when as many as the quorum are about the same action. With `edit` the
    answer puts that action up first: policy has looked at it already.
    """
    if edit is not None:
        approval = with_edit(approval, principal, edit, now)
    check_open(approval, now)
    question = approval.question(verdict.action_digest)
    if question is None:
        raise refused("ACTION_DIGEST_MISMATCH", "the action that was shown is not the one that is asked about")
    if now >= question.expires_at:
        raise refused("APPROVAL_EXPIRED", "the time to answer for the edited action is over")
    shown = rendering_digest(approval, question)
    if verdict.rendering_digest not in ("", shown):
        raise refused("RENDERING_DIGEST_MISMATCH", "what was shown is not what is asked; look at it again")
    counted = check_eligible(approval, question.requirement, principal, now)
    if verdict.approve:
        check_four_eyes(approval, principal, question.requirement)
    same = [given for given in approval.answers if given.action_digest == question.action_digest]
    if any(given.approver == principal.subject for given in same):
        raise refused("APPROVAL_ALREADY_ANSWERED", "the approver has answered already")
    given = Answer(
        approver=principal.subject,
        issuer=principal.issuer,
        approved=verdict.approve,
        reason=verdict.reason,
        time=now,
        groups=counted,
        action_digest=question.action_digest,
        rendering_digest=shown,
    )
    state = ApprovalState.PENDING
    if not verdict.approve:
        state = ApprovalState.REJECTED
    elif len(same) + 1 >= question.requirement.quorum:
        state = ApprovalState.APPROVED
    return replace(approval, answers=(*approval.answers, given), state=state)


def stands(approval: Approval, principal: Principal, verdict: Verdict) -> bool:
    """Whether the approval has this very answer of the principal already."""
    return any(
        (given.approver, given.issuer, given.approved, given.reason, given.action_digest)
        == (principal.subject, principal.issuer, verdict.approve, verdict.reason, verdict.action_digest)
        and verdict.rendering_digest in ("", given.rendering_digest)
        for given in approval.answers
    )


def with_edit(approval: Approval, principal: Principal, edit: Edit, now: datetime) -> Approval:
    """The approval that asks about an edited action too; the same edit again changes nothing.

    Who edits must be one who may answer what was proposed: nobody turns it into a question of their own.
    """
    check_editor(approval, principal, now)
    if approval.question(edit.action_digest) is not None:
        return approval
    if len(approval.edits) >= MAX_EDITS:
        raise refused("EDITS_EXHAUSTED", f"an action may be edited {MAX_EDITS} times")
    return replace(approval, edits=(*approval.edits, edit))


def check_editor(approval: Approval, principal: Principal, now: datetime) -> None:
    """Raises AmasError unless the principal may put another action in place of the proposed one."""
    check_open(approval, now)
    if approval.kind is not ApprovalKind.ACTION:
        raise refused("EDIT_NOT_POSSIBLE", "only a proposed action can be edited")
    check_eligible(approval, approval.requirement, principal, now)
    check_four_eyes(approval, principal, approval.requirement)


def check_eligible(
    approval: Approval, requirement: Requirement, principal: Principal, now: datetime
) -> tuple[str, ...]:
    """The groups that let the principal answer now; raises AmasError when it may not, or not yet."""
    counted = eligible_groups(requirement, principal, (now - approval.requested_at).total_seconds())
    if not counted:
        raise _denied("APPROVER_NOT_ELIGIBLE", "the approver is in none of the groups that may answer")
    return counted


def check_four_eyes(approval: Approval, principal: Principal, requirement: Requirement) -> None:
    """Raises AmasError for a yes, or an edit, of who asked for the run."""
    asked = approval.requirement.four_eyes or requirement.four_eyes
    if asked and principal.subject in approval.requesters:
        raise _denied("FOUR_EYES_REQUIRED", "who asked for the run cannot approve its actions")


def eligible_groups(requirement: Requirement, principal: Principal, waited: float) -> tuple[str, ...]:
    """The groups that let the principal answer after so many seconds; empty when it may not."""
    groups = set(principal.groups)
    if ADMINISTRATOR_ROLE in principal.roles:
        groups.add(ADMINISTRATORS)
    return tuple(group for group in requirement.groups_after(waited) if group in groups)


def check_open(approval: Approval, now: datetime) -> None:
    """Raises AmasError when no answer counts any more, or not yet."""
    if approval.state is ApprovalState.OPENING:
        raise refused("APPROVAL_NOT_READY", "the approval's request is not on the record yet; ask again")
    if approval.state is ApprovalState.EXPIRED or (
        approval.state is ApprovalState.PENDING and now >= approval.expires_at
    ):
        raise refused("APPROVAL_EXPIRED", "the approval expired, which is a denial")
    if approval.state is ApprovalState.CANCELLED:
        raise refused("APPROVAL_CANCELLED", "the run was cancelled")
    if approval.state is not ApprovalState.PENDING:
        raise refused("APPROVAL_ALREADY_DECIDED", f"the approval is {approval.state} already")


def _denied(reason: str, message: str) -> AmasError:
    return AmasError(ErrorKind.PERMISSION_DENIED, reason, message)
