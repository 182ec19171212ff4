"""What of an action can be revoked, and the refusal that says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from amas_governance.revocations import REVOKED, Revocable, RevocationKind, Revoked, actors, words

from .errors import Denied
from .model import ActionContext, ApprovalGrant, Reason

APPROVER_REVOKED = "APPROVER_REVOKED"


def needs_of(context: ActionContext, tool: str = "") -> tuple[Revocable, ...]:
    """What must not be revoked for what the context wants: principal, bundle, the whole chain of roles, the tool."""
    principal = context.principal
    roles = (*context.delegated_by, context.role)
    return actors(principal.tenant, principal=principal.subject, bundle=context.bundle, roles=roles, tool=tool)


def approvers_of(context: ActionContext, names: Sequence[str]) -> tuple[Revocable, ...]:
    """The people whose approval is used."""
    tenant = context.principal.tenant
    return tuple(Revocable(tenant, RevocationKind.PRINCIPAL, name) for name in names)


def check_revocations(revoked: Revoked, context: ActionContext, tool: str = "") -> None:
    """Raises Denied if something that the action needs is revoked."""
    found = revoked.first(needs_of(context, tool))
    if found is not None:
        raise refused(found)


def without_revoked(grant: ApprovalGrant, revoked: Revoked, context: ActionContext) -> ApprovalGrant:
    """The grant with the answers of those alone who are not revoked: an answer counts when it is used."""
    left = tuple(one.name for one in approvers_of(context, grant.approvers) if one not in revoked.members)
    return grant if left == grant.approvers else replace(grant, approvers=left)


def refused(one: Revocable) -> Denied:
    """The refusal of an action that needs something revoked."""
    return Denied(REVOKED, words(one))


def approver_refused(names: Sequence[str], then: Sequence[Reason] = ()) -> Denied:
    """The refusal of an approval that lacks the answers of revoked people; `then` is what it fails by."""
    who = ", ".join(sorted(names))
    return Denied.of((Reason(APPROVER_REVOKED, f"the answer of {who} does not count: revoked"), *then))
