"""Quotas: whom they name exists, they bound something, and no amount is so small that no call could ever be made."""

from __future__ import annotations

from collections.abc import Sequence

from amas_governance.problems import FieldPath
from amas_governance.quantities import format_duration
from amas_governance.resources import AgentRole, Quota, ToolServer

from .catalog import Catalog, unknown
from .report import Report

MAX_QUOTAS = 128
"""In one bundle. A call may count under all of them, and each costs the store some 20 microseconds."""


def check_number(quotas: Sequence[Quota], report: Report) -> None:
    """There are not more than a call can be held against in one step."""
    if len(quotas) > MAX_QUOTAS:
        message = (
            f"there are {len(quotas)} quotas, and at most {MAX_QUOTAS} may be: `per` gives each role or tool its own"
        )
        report.add(quotas[MAX_QUOTAS], ("metadata", "name"), message)


def check_quota(quota: Quota, catalog: Catalog, report: Report) -> None:
    """A misspelt role, server or tool would bound nobody; a call needs its longest time free."""
    subject = quota.spec.subject
    path: FieldPath = ("spec", "subject")
    role = None if subject.role is None else catalog.roles.get(subject.role)
    if subject.role is not None and role is None:
        report.add(quota, (*path, "role"), unknown("role", subject.role, catalog.roles))
    if subject.server is not None and subject.server not in catalog.servers:
        report.add(quota, (*path, "server"), unknown("tool server", subject.server, catalog.servers))
    if subject.tool is not None:
        _check_tool(quota, subject.tool, role, catalog, report)
    wall_clock = quota.spec.wall_clock
    if wall_clock is None:
        return
    for name, server in sorted(catalog.servers.items()):
        needed = server.spec.limits.longest_call
        if _covered(quota, name) and wall_clock < needed:
            message = (
                f"a call of {name} may take {format_duration(needed)} (two tries of its timeout, and its start), which "
                f"must be free before it begins: expected at least that, or a shorter limits.timeout of {name}"
            )
            report.add(quota, ("spec", "wallClock"), message)
            return


def _check_tool(quota: Quota, tool: str, role: AgentRole | None, catalog: Catalog, report: Report) -> None:
    path: FieldPath = ("spec", "subject", "tool")
    name, _, of_server = tool.partition("/")
    server: ToolServer | None = catalog.servers.get(name)
    if server is None:
        report.add(quota, path, unknown("tool server", name, catalog.servers))
    elif of_server not in server.spec.tools:
        report.add(quota, path, unknown(f"tool of {name}", of_server, server.spec.tools))
    elif role is not None and role.spec.grant(tool) is None:
        report.add(quota, path, f"the role {role.metadata.name} does not grant {tool}, so this would bound nothing")


def _covered(quota: Quota, server: str) -> bool:
    subject = quota.spec.subject
    return server in (subject.server, (subject.tool or "").partition("/")[0]) or (
        subject.server is None and subject.tool is None
    )
