"""Whether what humans answered covers exactly this action (invariant I3).

Nothing of a grant is believed because it was handed over: each part is held against the action, the bundle, the clock
and the requirement. Single use is not decided here but by the audit log, where it survives a crash.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from .errors import Denied
from .model import ActionContext, ApprovalGrant, Requirement


def verify_approval(
    grant: ApprovalGrant,
    *,
    context: ActionContext,
    action_digest: str,
    requirement: Requirement | None,
    now: datetime,
) -> None:
    """Return if the grant covers the action and meets the requirement (None: none was asked); raises Denied."""
    if grant.action_digest != action_digest:
        raise Denied("APPROVAL_OTHER_ACTION", "the approval was given for another action")
    if grant.bundle != context.bundle:
        raise Denied("APPROVAL_OTHER_BUNDLE", "the approval was given under another bundle")
    if _expired(grant, requirement, now):
        raise Denied("APPROVAL_EXPIRED", "the approval has expired")
    approvers = frozenset(grant.approvers)
    if not approvers:
        raise Denied("APPROVAL_QUORUM_MISSING", "nobody approved")
    if requirement is None:
        return
    if requirement.four_eyes:
        # The run's own principal, whatever the grant says, and the application that acted for it.
        approvers -= {grant.requester, context.principal.subject, context.principal.client_id}
        if not approvers:
            raise Denied("APPROVAL_BY_REQUESTER", "the requester's own approval does not count")
    if requirement.groups:
        approvers = frozenset(name for name in approvers if _in_group(grant, name, requirement))
        if not approvers:
            raise Denied("APPROVAL_WRONG_GROUP", "no approver is in a group that may approve")
    if len(approvers) < max(requirement.quorum, 1):
        raise Denied(
            "APPROVAL_QUORUM_MISSING",
            f"{len(approvers)} of {requirement.quorum} required approvals were given",
        )


def refuse_expired(grant: ApprovalGrant, now: datetime) -> None:
    """Raises Denied if the grant's own time is over."""
    if grant.expires_at is None or now >= grant.expires_at:
        raise Denied("APPROVAL_EXPIRED", "the approval has expired")


def _expired(grant: ApprovalGrant, requirement: Requirement | None, now: datetime) -> bool:
    """Whether the grant's own time is over, or the time that policy gives such an approval now."""
    if grant.expires_at is None or now >= grant.expires_at:
        return True
    if requirement is None or grant.requested_at is None:
        return False
    return now >= grant.requested_at + timedelta(seconds=requirement.expires_in)


def _waited(grant: ApprovalGrant, name: str) -> float | None:
    """How many seconds the approval had waited when the approver answered; None where nobody said when that was."""
    if grant.requested_at is None or len(grant.answered_at) != len(grant.approvers):
        return None
    times = [at for approver, at in zip(grant.approvers, grant.answered_at, strict=True) if approver == name]
    return (min(times) - grant.requested_at).total_seconds()


def _in_group(grant: ApprovalGrant, name: str, requirement: Requirement) -> bool:
    """Whether one of the approver's groups might answer when the approver did."""
    groups = list(requirement.groups)
    waited = _waited(grant, name)
    if waited is not None:
        groups += [group for rule in requirement.escalate if waited >= rule.after for group in rule.groups]
    # A group with a colon never matches: `a:b:c` could name two different pairs, and neither may win by chance.
    return any(f"{name}:{group}" in grant.approver_groups for group in groups if ":" not in group)
