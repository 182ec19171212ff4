"""The lineage of one run as a graph without cycles: what there was, and what reached what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """Whether a node's content can be looked into."""

    GIVEN = "given"
    ERASED = "erased"
    MISSING = "missing"
    NONE = "none"
    """It has no content of its own, such as a step."""


class Strength(StrEnum):
    """How an edge is known."""

    OBSERVED = "observed"
    """The later value holds the earlier one: an equal digest, or its text word for word."""
    POSSIBLE = "possible"
    """The earlier was in reach of the later, by order and context. Nothing more is on record."""


@dataclass
class Node:
    """A value, or what handled one. `values` are the contents on record, by name."""

    id: str
    kind: str
    name: str
    sequence: int
    time: str
    step: str = ""
    role: str = ""
    principal: str = ""
    system: str = ""
    """The system outside that it reached: a tool server, a provider of models."""
    effect: str = ""
    detail: str = ""
    label: Mapping[str, Any] = field(default_factory=dict)
    state: State = State.NONE
    values: dict[str, Any] = field(default_factory=dict)
    digests: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    """Ids of the keys that its contents are encrypted under."""

    def to_dict(self) -> dict[str, Any]:
        """For programs; without the contents, which the record has."""
        said = {
            "id": self.id,
            "kind": self.kind,
            "name": self.name,
            "sequence": self.sequence,
            "time": self.time,
            "step": self.step,
            "role": self.role,
            "principal": self.principal,
            "system": self.system,
            "effect": self.effect,
            "detail": self.detail,
            "label": dict(self.label),
            "state": self.state.value,
            "digests": sorted(self.digests),
        }
        return {name: value for name, value in said.items() if value not in ("", {}, [])}


@dataclass(frozen=True)
class Edge:
    """`source` reached `target`. `fields` pairs places (JSON Pointers, RFC 6901) of one in the other."""

    source: str
    target: str
    strength: Strength
    why: str
    fields: tuple[tuple[str, str], ...] = ()


@dataclass
class Graph:
    """What one run's record says."""

    run: str
    tenant: str
    nodes: dict[str, Node] = field(default_factory=dict)
    _edges: dict[tuple[str, str], Edge] = field(default_factory=dict)

    def add(self, node: Node) -> Node:
        """Add a node; the one of that id that is there already stays."""
        return self.nodes.setdefault(node.id, node)

    def connect(self, edge: Edge) -> None:
        """Add an edge between nodes that are there; of two between the same, the observed one stays."""
        if edge.source == edge.target or edge.source not in self.nodes or edge.target not in self.nodes:
            return
        known = self._edges.get((edge.source, edge.target))
        if known is None or (known.strength, edge.strength) == (Strength.POSSIBLE, Strength.OBSERVED):
            self._edges[edge.source, edge.target] = edge

    @property
    def edges(self) -> list[Edge]:
        return list(self._edges.values())

    def into(self, target: str) -> Iterator[Edge]:
        return (edge for edge in self._edges.values() if edge.target == target)

    def reach(self, starts: Iterable[str], *, backwards: bool = False) -> dict[str, Strength]:
        """What the starts reached, or were reached by: observed if a way of observed edges alone leads there."""
        following = defaultdict[str, list[tuple[str, Strength]]](list)
        for edge in self._edges.values():
            near, far = (edge.target, edge.source) if backwards else (edge.source, edge.target)
            following[near].append((far, edge.strength))
        found: dict[str, Strength] = {}
        for weakest in (Strength.OBSERVED, Strength.POSSIBLE):
            waiting = [*starts, *found]
            seen = set(waiting)
            while waiting:
                for far, strength in following[waiting.pop()]:
                    if far not in seen and (strength is Strength.OBSERVED or weakest is Strength.POSSIBLE):
                        seen.add(far)
                        waiting.append(far)
                        found[far] = weakest
        return found

    def only(self, kept: Iterable[str]) -> Graph:
        """The part between these nodes."""
        names = set(kept)
        return Graph(
            self.run,
            self.tenant,
            {name: node for name, node in self.nodes.items() if name in names},
            {pair: edge for pair, edge in self._edges.items() if names.issuperset(pair)},
        )

    def to_dict(self) -> dict[str, Any]:
        """For programs."""
        return {
            "run": self.run,
            "tenant": self.tenant,
            "nodes": [node.to_dict() for node in self.nodes.values()],
            "edges": [
                {
                    "from": edge.source,
                    "to": edge.target,
                    "strength": edge.strength.value,
                    "why": edge.why,
                    "label": dict(self.nodes[edge.source].label),
                    "fields": [{"from": one, "to": other} for one, other in edge.fields],
                }
                for edge in self._edges.values()
            ],
        }
