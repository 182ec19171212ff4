"""Draws graphs as Mermaid flowcharts (mermaid.js.org) and in Graphviz's DOT language.

What events say reaches neither language as syntax: texts are quoted, and nodes are named by number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from amas_cli.output.printable import printable

from .building import said
from .graph import Graph, Node, State, Strength

_MERMAID = {"input": ("([", "])"), "output": ("([", "])"), "model": ("{{", "}}"), "action": ("[[", "]]")}
_DOT = {"input": "oval", "output": "oval", "model": "hexagon", "action": "box3d", "approval": "diamond"}


def mermaid(graphs: Iterable[Graph]) -> Iterator[str]:
    """Lines of one flowchart, a subgraph a run. Observed edges are solid, possible ones dotted."""
    yield "flowchart TD"
    for number, graph in enumerate(graphs):
        names = _names(graph, number)
        yield f'  subgraph r{number}["{_html(graph.run)}"]'
        for node in graph.nodes.values():
            start, end = _MERMAID.get(node.kind, ("[", "]"))
            yield f'    {names[node.id]}{start}"{"<br/>".join(_described(node, _html))}"{end}'
        for edge in graph.edges:
            arrow = "-->" if edge.strength is Strength.OBSERVED else "-.->"
            text = _html(_carried(graph.nodes[edge.source]))
            carried = f'|"{text}"|' if text else ""
            yield f"    {names[edge.source]} {arrow}{carried} {names[edge.target]}"
        yield "  end"


def dot(graphs: Iterable[Graph]) -> Iterator[str]:
    """Lines of one directed graph, a cluster a run."""
    yield "digraph lineage {"
    for number, graph in enumerate(graphs):
        names = _names(graph, number)
        yield f'  subgraph cluster_{number} {{ label="{_quoted(graph.run)}";'
        for node in graph.nodes.values():
            style = "" if node.state in (State.GIVEN, State.NONE) else ", style=dashed"
            text = "\\n".join(_described(node, _quoted))
            yield f'    {names[node.id]} [label="{text}", shape={_DOT.get(node.kind, "box")}{style}];'
        for edge in graph.edges:
            style = "solid" if edge.strength is Strength.OBSERVED else "dashed"
            text = _quoted(_carried(graph.nodes[edge.source]))
            yield f'    {names[edge.source]} -> {names[edge.target]} [style={style}, label="{text}"];'
        yield "  }"
    yield "}"


def _names(graph: Graph, number: int) -> dict[str, str]:
    return {node_id: f"n{number}_{place}" for place, node_id in enumerate(graph.nodes)}


def _described(node: Node, escaped: Callable[[str], str]) -> list[str]:
    parts = [f"{node.kind}: {node.name}", node.effect or node.detail, _carried(node)]
    state = node.state.value if node.state in (State.ERASED, State.MISSING) else ""
    return [escaped(part) for part in (*parts, state) if part]


def _carried(node: Node) -> str:
    return said(node.label) if node.label else ""


def _html(text: str) -> str:
    """As Mermaid's entity codes (`#35;`), so that no character ends a text or is read as markup."""
    return "".join(one if one.isalnum() or one in " .,:/_-" else f"#{ord(one)};" for one in printable(text))


def _quoted(text: str) -> str:
    return printable(text).replace("\\", "\\\\").replace('"', '\\"')
