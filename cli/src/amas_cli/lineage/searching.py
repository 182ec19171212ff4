"""Questions to the lineage of a run: where a value went, where an answer came from, and whose data a run saw."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .graph import Graph, Node, State, Strength
from .values import texts


@dataclass(frozen=True)
class Found:
    """An answer for one run: the nodes that it starts from, with the places in them, and what is reached from there."""

    graph: Graph
    starts: dict[str, tuple[str, ...]]
    reached: dict[str, Strength]

    @property
    def unknown(self) -> list[str]:
        """Nodes of the run whose content is erased or missing, so that nothing can be found in them."""
        return [node.id for node in self.graph.nodes.values() if node.state in (State.ERASED, State.MISSING)]

    @property
    def part(self) -> Graph:
        """The graph between what was found."""
        return self.graph.only([*self.starts, *self.reached])

    def to_dict(self) -> dict[str, Any]:
        """For programs."""
        return {
            **self.part.to_dict(),
            "starts": {name: list(places) for name, places in self.starts.items()},
            "reached": {name: strength.value for name, strength in self.reached.items()},
            "unknown": self.unknown,
        }


def everything(graph: Graph) -> Found:
    """The whole graph."""
    return Found(graph, dict.fromkeys(graph.nodes, ()), {})


def of_text(graph: Graph, text: str) -> Found:
    """Where a text stands word for word, and where it went from there."""
    places = {
        node.id: tuple(place for place, said in texts(node.values) if text in said) for node in graph.nodes.values()
    }
    return _onwards(graph, {name: found for name, found in places.items() if found})


def of_digest(graph: Graph, digest: str) -> Found:
    """The same of a value that is named by its digest, `sha256:...`, as events name it."""
    return _onwards(graph, {node.id: () for node in graph.nodes.values() if digest in node.digests})


def of_principal(graph: Graph, principal: str) -> Found:
    """What was done for a principal, and what it reached."""
    return _onwards(graph, _all(node for node in graph.nodes.values() if node.principal == principal))


def of_key(graph: Graph, key: str) -> Found:
    """Where contents under a key stand: those of one subject, retention class and period."""
    return _onwards(graph, _all(node for node in graph.nodes.values() if key in node.keys))


def into(graph: Graph, target: str) -> Found:
    """What a step's answer, or the run's output, came from. `target`: a step, or the id of a node."""
    named = next((name for name in (target, f"answer:{target}", f"step:{target}") if name in graph.nodes), None)
    if named is None:
        return Found(graph, {}, {})
    return Found(graph, {named: ()}, graph.reach([named], backwards=True))


def _all(nodes: Iterable[Node]) -> dict[str, tuple[str, ...]]:
    return {node.id: () for node in nodes}


def _onwards(graph: Graph, starts: dict[str, tuple[str, ...]]) -> Found:
    return Found(graph, starts, graph.reach(starts))
