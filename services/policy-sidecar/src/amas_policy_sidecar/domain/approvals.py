"""Whether what humans answered covers exactly this action (invariant I3).

Nothing of a grant is believed because it was handed over: each part is held against the action, the bundle, the clock
and the requirement. Single use is not decided here but by the audit log, where it survives a crash.
"""

from __future__ import annotations

from datetime import datetime

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
    if grant.expires_at is None or now >= grant.expires_at:
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
        approvers = frozenset(name for name in approvers if _in_group(grant, name, requirement.groups))
        if not approvers:
            raise Denied("APPROVAL_WRONG_GROUP", "no approver is in a group that may approve")
    if len(approvers) < max(requirement.quorum, 1):
        raise Denied(
            "APPROVAL_QUORUM_MISSING",
            f"{len(approvers)} of {requirement.quorum} required approvals were given",
        )


def _in_group(grant: ApprovalGrant, name: str, groups: tuple[str, ...]) -> bool:
    # A group with a colon never matches: `a:b:c` could name two different pairs, and neither may win by chance.
    return any(f"{name}:{group}" in grant.approver_groups for group in groups if ":" not in group)
