"""The graph of an orchestration: what each step waits for, and which steps can never run beside another.

Pure and deterministic: a run that is replayed after a crash must come to the same plan.
"""

from __future__ import annotations

from dataclasses import dataclass

from amas_governance import expressions
from amas_governance.resources import Orchestration, Step


@dataclass(frozen=True)
class Plan:
    """`order` is topological with ties in the order of the file; `needs` holds direct dependencies."""

    order: tuple[str, ...]
    needs: dict[str, frozenset[str]]
    alone: frozenset[str]
    """Steps before or after every other one, so that nothing runs beside them: these need no workflow of their own."""


def plan(orchestration: Orchestration) -> Plan:
    """The plan of an orchestration; raises ValueError for a cycle, which applying it would have refused."""
    steps = orchestration.spec.steps
    names = {step.name for step in steps}
    needs = {step.name: frozenset(references(step) & names - {step.name}) for step in steps}
    order = _topological([step.name for step in steps], needs)
    before = _transitive(order, needs)
    after: dict[str, set[str]] = {name: set() for name in names}
    for name, earlier in before.items():
        for other in earlier:
            after[other].add(name)
    alone = frozenset(
        step.name
        for step in steps
        if step.for_each is None and len(before[step.name]) + len(after[step.name]) + 1 == len(steps)
    )
    return Plan(tuple(order), needs, alone)


def references(step: Step) -> set[str]:
    """Names of the steps that a step waits for: what it refers to, and what `needs` names."""
    found = set(step.needs)
    for value in (step.with_, step.for_each, step.when):
        found |= expressions.names(value)
    return found


def _topological(names: list[str], needs: dict[str, frozenset[str]]) -> list[str]:
    done: list[str] = []
    waiting = list(names)
    while waiting:
        ready = [name for name in waiting if needs[name] <= set(done)]
        if not ready:
            raise ValueError(f"steps wait for each other: {', '.join(waiting)}")
        done.append(ready[0])
        waiting.remove(ready[0])
    return done


def _transitive(order: list[str], needs: dict[str, frozenset[str]]) -> dict[str, set[str]]:
    before: dict[str, set[str]] = {}
    for name in order:
        before[name] = set(needs[name]).union(*(before[need] for need in needs[name]))
    return before
