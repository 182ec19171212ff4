"""Prints lineage as tables."""

from __future__ import annotations

from collections.abc import Iterator

from amas_cli.lineage.building import said
from amas_cli.lineage.graph import Strength
from amas_cli.lineage.searching import Found

from .printable import printable, shortened

NAME_WIDTH = 60
HEADERS = ("NODE", "NAME", "WHAT", "LABEL", "CONTENT", "HOW", "FROM")
MAX_FROM = 4
"""Sources that a row names; the other forms name all."""


def rows(found: Found) -> Iterator[list[str]]:
    """One row a node of the answer, in the order of the run. FROM: `=` is observed, `~` is possible."""
    part = found.part
    for node in part.nodes.values():
        edges = sorted(part.into(node.id), key=lambda edge: edge.strength is Strength.POSSIBLE)
        sources = [f"{'=' if edge.strength is Strength.OBSERVED else '~'}{edge.source}" for edge in edges]
        more = [f"and {len(sources) - MAX_FROM} more"] if len(sources) > MAX_FROM else []
        places = found.starts.get(node.id)
        how = found.reached[node.id].value if places is None else " ".join(places[:2])
        yield [
            printable(text)
            for text in (
                node.id,
                shortened(node.name, NAME_WIDTH),
                node.effect or node.detail or "-",
                said(node.label) if node.label else "-",
                node.state.value,
                how or "-",
                " ".join([*sources[:MAX_FROM], *more]) or "-",
            )
        ]


def summary(found: Found) -> str:
    """A line about a run."""
    part, edges = found.part, found.part.edges
    if not part.nodes:
        text = "nothing found"
    else:
        observed = sum(edge.strength is Strength.OBSERVED for edge in edges)
        text = f"{len(part.nodes)} nodes, {observed} edges observed, {len(edges) - observed} possible"
    if found.unknown:
        text += f"; {len(found.unknown)} contents are erased or missing, and may hold it"
    return printable(f"{found.graph.run}: {text}")
