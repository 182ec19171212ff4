"""The development principals: who they are, and nothing that a client could change about them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DevPrincipal:
    """A client that stands for one person or workload."""

    name: str
    tenant: str
    roles: tuple[str, ...]
    groups: tuple[str, ...] = ()


PRINCIPALS = {
    principal.name: principal
    for principal in (
        DevPrincipal("developer", "acme", ("developer", "platform-admin")),
        DevPrincipal("release-manager", "acme", ("approver", "developer"), ("release-managers",)),
        DevPrincipal("support-lead", "acme", ("approver",), ("support-leads", "approvers")),
        DevPrincipal("auditor", "acme", ("auditor",)),
        # Another tenant, so that isolation can be seen.
        DevPrincipal("other-developer", "globex", ("developer", "platform-admin")),
    )
}
