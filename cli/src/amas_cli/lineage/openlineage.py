"""A graph as OpenLineage events (openlineage.io/spec/2-0-2/OpenLineage.json), as JSON.

What handled data (a model call, an action, an approval, a declassification, a step) is a run of a job; what was said is
a data set. Labels, the state of a content and the strength of an edge are tags of data sets.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from .building import OUTPUT
from .graph import Edge, Graph, Node, State, Strength

PRODUCER = "https://amas.dev/lineage"
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = "https://openlineage.io/spec/facets/"
PARENT = f"{_FACETS}1-2-0/ParentRunFacet.json#/$defs/ParentRunFacet"
TAGS = f"{_FACETS}1-0-0/TagsDatasetFacet.json#/$defs/TagsDatasetFacet"
COLUMNS = f"{_FACETS}1-2-0/ColumnLineageDatasetFacet.json#/$defs/ColumnLineageDatasetFacet"
DATA = frozenset({"input", "result", "answer", "output"})
"""Kinds of nodes that are data alone: they get no run of their own but for what came together in them."""
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, PRODUCER)


def events(graph: Graph) -> Iterator[dict[str, Any]]:
    """Start and end of each run of a job, in the order of the record. The ids are the same each time."""
    nodes = list(graph.nodes.values())
    if not nodes:
        return
    yield _whole(graph, "START", nodes[0])
    for node in nodes:
        incoming = list(graph.into(node.id))
        if node.kind in DATA and not incoming:
            continue
        yield _event(graph, node, "START", [])
        yield _event(graph, node, "COMPLETE", incoming)
    if OUTPUT in graph.nodes:
        end = graph.nodes[OUTPUT]
        yield _whole(graph, {"failed": "FAIL", "cancelled": "ABORT"}.get(end.detail, "COMPLETE"), end)


def _whole(graph: Graph, kind: str, node: Node) -> dict[str, Any]:
    """The run that the others are parts of."""
    return {
        "eventType": kind,
        "eventTime": node.time,
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
        "run": {"runId": _run_id(graph, ""), "facets": {}},
        "job": {"namespace": _namespace(graph), "name": "run", "facets": {}},
        "inputs": [],
        "outputs": [],
    }


def _event(graph: Graph, node: Node, kind: str, incoming: list[Edge]) -> dict[str, Any]:
    parent = {"runId": _run_id(graph, "")}
    facet = {"run": parent, "job": {"namespace": _namespace(graph), "name": "run"}}
    return {
        "eventType": kind,
        "eventTime": node.time,
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
        "run": {"runId": _run_id(graph, node.id), "facets": {"parent": _facet(PARENT, **facet)}},
        "job": {"namespace": _namespace(graph), "name": f"{node.kind}/{node.name}", "facets": {}},
        "inputs": [_dataset(graph, graph.nodes[edge.source], edge.strength) for edge in incoming],
        "outputs": [_dataset(graph, node, None, incoming)] if kind == "COMPLETE" else [],
    }


def _dataset(graph: Graph, node: Node, strength: Strength | None, incoming: list[Edge] | None = None) -> dict[str, Any]:
    tags = [("kind", node.kind)]
    tags += [("state", node.state.value)] if node.state is not State.NONE else []
    tags += [("reached", strength.value)] if strength else []
    tags += [(name, str(node.label[name])) for name in ("confidentiality", "integrity") if node.label.get(name)]
    tags += [("category", str(category)) for category in node.label.get("categories") or ()]
    stated = [{"key": key, "value": value, "source": "amas"} for key, value in tags]
    facets = {"tags": _facet(TAGS, tags=stated)}
    if columns := _columns(graph, incoming or []):
        facets["columnLineage"] = _facet(COLUMNS, fields=columns)
    return {"namespace": _namespace(graph), "name": _name(graph, node.id), "facets": facets}


def _columns(graph: Graph, incoming: list[Edge]) -> dict[str, Any]:
    """By field (JSON Pointer) of the target: the fields that stand there word for word."""
    found: dict[str, Any] = {}
    for edge in incoming:
        for source, target in edge.fields:
            one = {"namespace": _namespace(graph), "name": _name(graph, edge.source), "field": source}
            copied = {"type": "DIRECT", "subtype": "TRANSFORMATION", "description": edge.why}
            fields = found.setdefault(target, {"inputFields": []})
            fields["inputFields"].append({**one, "transformations": [copied]})
    return found


def _facet(schema: str, **members: Any) -> dict[str, Any]:
    return {"_producer": PRODUCER, "_schemaURL": schema, **members}


def _namespace(graph: Graph) -> str:
    return f"amas://{graph.tenant}"


def _name(graph: Graph, node_id: str) -> str:
    return f"{graph.run}/{node_id}"


def _run_id(graph: Graph, node_id: str) -> str:
    """OpenLineage's runs are UUIDs: one by name (RFC 9562, version 5)."""
    return str(uuid.uuid5(_NAMESPACE, f"{graph.tenant}/{graph.run}/{node_id}"))
