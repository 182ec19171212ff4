"""All checks over all resources, in a fixed order, so that the same resources give the same problems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from amas_governance.loader import Positions
from amas_governance.problems import Problem
from amas_governance.resources import AgentRole, Budget, ModelRoute, Orchestration, Quota, Resource

from . import expression_types, graphs, quotas, references
from .catalog import Catalog
from .report import Report


def check(resources: Iterable[Resource], positions: Positions | None = None) -> list[Problem]:
    """Problems between resources; empty when they fit. With `positions` (of LoadResult) each has file and line."""
    given = sorted(resources, key=_key)
    listed = list({_key(resource): resource for resource in given}.values())
    report = Report(positions)
    counted = Counter(map(_key, given))
    for resource in listed:
        if counted[_key(resource)] > 1:
            report.add(resource, ("metadata", "name"), "is defined more than once")
    catalog = Catalog.of(listed)
    graphs.check_delegation(catalog, report)
    quotas.check_number([resource for resource in listed if isinstance(resource, Quota)], report)
    for resource in listed:
        if isinstance(resource, AgentRole):
            references.check_role(resource, catalog, report)
        elif isinstance(resource, ModelRoute):
            references.check_route(resource, catalog, report)
        elif isinstance(resource, Budget):
            references.check_budget(resource, catalog, report)
        elif isinstance(resource, Quota):
            quotas.check_quota(resource, catalog, report)
        elif isinstance(resource, Orchestration):
            references.check_orchestration(resource, catalog, report)
            graphs.check_steps(resource, report)
            expression_types.check_expressions(resource, catalog, report)
    return report.problems


def _key(resource: Resource) -> tuple[str, str]:
    return (resource.KIND, resource.metadata.name)
