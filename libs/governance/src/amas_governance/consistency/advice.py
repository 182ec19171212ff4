"""What fits, but should not stay so: deprecated roles in use, and a contract that changed under an unchanged version.

Warnings never stop an apply: a role may have to be repaired while it is deprecated, and a draft is changed many times.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from amas_governance.describe import describe_deprecation
from amas_governance.loader import Positions
from amas_governance.problems import FieldPath, Problem
from amas_governance.resources import AgentRole, Orchestration, Resource

from .catalog import Catalog
from .report import Report


def advice(
    resources: Iterable[Resource], before: Iterable[Resource], positions: Positions | None, today: date
) -> list[Problem]:
    """Warnings about `resources`, which take the place of `before`; the ones of a file have its name and line."""
    report = Report(positions)
    catalog = Catalog.of(resources)
    for _, orchestration in sorted(catalog.orchestrations.items()):
        for index, step in enumerate(orchestration.spec.steps):
            _use(orchestration, ("spec", "steps", index, "role"), step.role, catalog, report, today)
    for _, role in sorted(catalog.roles.items()):
        for index, name in enumerate(role.spec.delegates):
            _use(role, ("spec", "delegates", index), name, catalog, report, today)
    earlier = Catalog.of(before)
    for name, role in sorted(catalog.roles.items()):
        _version(role, earlier.roles.get(name), report)
    for name, orchestration in sorted(catalog.orchestrations.items()):
        _version(orchestration, earlier.orchestrations.get(name), report)
    return report.problems


def _use(user: Resource, path: FieldPath, name: str, catalog: Catalog, report: Report, today: date) -> None:
    role = catalog.roles.get(name)
    if role is None or role.spec.deprecated is None:
        return
    if role.spec.deprecated.removed(today):
        text = f"the role {name} was removed on {role.spec.deprecated.removal}: new runs are refused"
        instead = role.spec.deprecated.replaced_by
        report.add(user, path, f"{text}; use {instead} instead" if instead else text)
        return
    told = describe_deprecation(role.spec.deprecated)
    report.add(user, path, f"the role {name} is {told[0].lower()}{told[1:]}")


def _version(now: AgentRole | Orchestration, before: AgentRole | Orchestration | None, report: Report) -> None:
    if before is None or now.spec.version != before.spec.version or now.spec == before.spec:
        return
    message = f"has changed, but its version is still {now.spec.version}: people will take both for the same"
    report.add(now, ("spec", "version"), message)
