"""Which role may do what: the one table, for REST, gRPC and the OpenAI API alike.

An action that is not in the table is refused to everyone.
"""

from __future__ import annotations

from enum import StrEnum

from . import errors
from .model import Principal

DEVELOPER = "developer"
APPROVER = "approver"
PLATFORM_ADMIN = "platform-admin"
AUDITOR = "auditor"


class Action(StrEnum):
    """What a principal may ask of AMAS; the value is what the audit log shows."""

    RUN_START = "run.start"
    RUN_READ = "run.read"
    RUN_WATCH = "run.watch"
    RUN_CANCEL = "run.cancel"
    APPROVAL_READ = "approval.read"
    APPROVAL_DECIDE = "approval.decide"
    RESOURCE_READ = "resource.read"
    RESOURCE_APPLY = "resource.apply"
    MODEL_CALL = "model.call"
    USAGE_READ = "usage.read"
    AUDIT_READ = "audit.read"
    AUDIT_ERASE = "audit.erase"
    REVOCATION_READ = "revocation.read"
    REVOCATION_CHANGE = "revocation.change"


ALLOWED: dict[Action, frozenset[str]] = {
    Action.RUN_START: frozenset({DEVELOPER, PLATFORM_ADMIN}),
    Action.RUN_READ: frozenset({DEVELOPER, APPROVER, PLATFORM_ADMIN}),
    Action.RUN_WATCH: frozenset({DEVELOPER, APPROVER, PLATFORM_ADMIN}),
    Action.RUN_CANCEL: frozenset({DEVELOPER, PLATFORM_ADMIN}),
    Action.APPROVAL_READ: frozenset({DEVELOPER, APPROVER, PLATFORM_ADMIN}),
    Action.APPROVAL_DECIDE: frozenset({APPROVER, PLATFORM_ADMIN}),
    Action.RESOURCE_READ: frozenset({DEVELOPER, APPROVER, PLATFORM_ADMIN}),
    Action.RESOURCE_APPLY: frozenset({PLATFORM_ADMIN}),
    Action.MODEL_CALL: frozenset({DEVELOPER, PLATFORM_ADMIN}),
    Action.USAGE_READ: frozenset({DEVELOPER, PLATFORM_ADMIN, AUDITOR}),
    Action.AUDIT_READ: frozenset({AUDITOR, PLATFORM_ADMIN}),
    Action.AUDIT_ERASE: frozenset({PLATFORM_ADMIN}),
    Action.REVOCATION_READ: frozenset({AUDITOR, PLATFORM_ADMIN}),
    Action.REVOCATION_CHANGE: frozenset({PLATFORM_ADMIN}),
}

# Roles for which these actions reach every run of the tenant, and not only the principal's own.
ANY_RUN: dict[Action, frozenset[str]] = {
    Action.RUN_WATCH: frozenset({APPROVER, PLATFORM_ADMIN}),
    Action.RUN_CANCEL: frozenset({PLATFORM_ADMIN}),
}


def require(principal: Principal, action: Action) -> None:
    """Raises PERMISSION_DENIED (ROLE_MISSING) unless one of the principal's roles allows the action."""
    needed = ALLOWED.get(action, frozenset())
    if principal.roles.isdisjoint(needed):
        raise errors.role_missing(needed)


def reaches_any_run(principal: Principal, action: Action) -> bool:
    """Whether the action is not limited to the principal's own runs."""
    return not principal.roles.isdisjoint(ANY_RUN.get(action, frozenset()))
