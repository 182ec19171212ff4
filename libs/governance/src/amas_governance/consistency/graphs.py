"""Graphs that must have no cycle: the steps of an orchestration, and who delegates to whom."""

from __future__ import annotations

from collections.abc import Mapping

from amas_governance.expressions import ExpressionError, names
from amas_governance.resources import Orchestration, Step

from .catalog import Catalog, unknown
from .report import Report


def dependencies(step: Step) -> set[str]:
    """Names of the steps that must be done before: what it refers to and what `needs` names."""
    return set(step.needs) | names([step.with_, step.for_each, step.when])


def find_cycle(edges: Mapping[str, set[str]]) -> list[str]:
    """The nodes of one cycle, the first repeated at the end; empty if there is none. Without recursion."""
    done: set[str] = set()
    for root in sorted(edges):
        trail: list[str] = []
        pending: list[tuple[str, bool]] = [(root, False)]
        while pending:
            node, leaving = pending.pop()
            if leaving:
                trail.pop()
                done.add(node)
                continue
            if node in trail:
                return [*trail[trail.index(node) :], node]
            if node in done:
                continue
            trail.append(node)
            pending.append((node, True))
            pending.extend((child, False) for child in sorted(edges.get(node, ())))
    return []


def check_delegation(catalog: Catalog, report: Report) -> None:
    """No role may come to delegate to itself: the chain of grants would have no end."""
    edges = {name: set(role.spec.delegates) for name, role in catalog.roles.items()}
    cycle = find_cycle(edges)
    if cycle:
        report.add(catalog.roles[cycle[0]], ("spec", "delegates"), f"delegates in a circle: {' → '.join(cycle)}")


def check_steps(orchestration: Orchestration, report: Report) -> None:
    """Every step that is referred to exists, and no step waits for itself."""
    known = {step.name for step in orchestration.spec.steps}
    edges: dict[str, set[str]] = {}
    for index, step in enumerate(orchestration.spec.steps):
        path = ("spec", "steps", index)
        for place, need in enumerate(step.needs):
            if need not in known:
                report.add(orchestration, (*path, "needs", place), unknown("step", need, known))
        try:
            edges[step.name] = dependencies(step) & known
        except ExpressionError:
            edges[step.name] = set(step.needs) & known  # the broken expression is reported with its field
    cycle = find_cycle(edges)
    if cycle:
        at = next(i for i, step in enumerate(orchestration.spec.steps) if step.name == cycle[0])
        message = f"steps wait for each other in a circle: {' → '.join(cycle)}"
        report.add(orchestration, ("spec", "steps", at), message)
