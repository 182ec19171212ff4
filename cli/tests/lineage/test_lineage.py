"""Which edges a record proves, which it only allows, and what the questions to it answer."""

from __future__ import annotations

import itertools

import pytest
from amas_cli.audit_trail import GivenContent
from amas_cli.lineage.building import lineage
from amas_cli.lineage.drawing import dot, mermaid
from amas_cli.lineage.graph import Graph, State, Strength
from amas_cli.lineage.searching import into, of_digest, of_key, of_principal, of_text
from amas_cli.lineage.values import MIN_LENGTH, found_again, texts
from amas_governance.canonical import digest

from .records import ARGUMENTS, KEY, TICKET, events, orchestration, recording

SENT = "action:reply/0/0/approved-apr-1"


def strength(graph: Graph, source: str, target: str) -> Strength | None:
    return next((edge.strength for edge in graph.into(target) if edge.source == source), None)


def test_what_the_record_proves_is_observed() -> None:
    """Equal digests and texts word for word."""
    graph = lineage(recording())
    for source, target in (
        ("input", "model:m1"),
        ("input", "action:triage/0/0"),
        ("model:m1", "action:triage/0/0"),
        ("action:triage/0/0", "result:triage/0/0"),
        ("result:triage/0/0", "model:m2"),
        ("model:m3", "proposal:reply/0/0"),
        ("proposal:reply/0/0", "approval:apr-1"),
        ("approval:apr-1", SENT),
        (SENT, f"result:{SENT.partition(':')[2]}"),
    ):
        assert strength(graph, source, target) is Strength.OBSERVED, (source, target)


def test_what_only_order_allows_is_possible() -> None:
    """A step may have been given what ended before it; nothing on record shows that it was."""
    graph = lineage(recording())
    for source, target in (
        ("answer:triage", "step:reply"),
        ("step:reply", "model:m3"),
        ("model:m2", "answer:triage"),
        ("answer:reply", "output"),
    ):
        assert strength(graph, source, target) is Strength.POSSIBLE, (source, target)
    assert strength(graph, "result:triage/0/0", "model:m3") is None


def test_edges_go_forward_alone() -> None:
    """So that no way comes back to where it started."""
    graph = lineage(recording())
    order = list(graph.nodes)
    assert all(order.index(edge.source) < order.index(edge.target) for edge in graph.edges)


def test_fields_are_named() -> None:
    """Which field of the input stands in which argument."""
    graph = lineage(recording())
    (edge,) = [edge for edge in graph.into("action:triage/0/0") if edge.source == "input"]
    assert edge.fields == (("/input/ticket", "/arguments/ticket"),)


@pytest.mark.parametrize(("gone", "state"), [("event-9", State.ERASED), ("", State.MISSING)])
def test_what_is_not_there_leaves_its_edges_possible(gone: str, state: State) -> None:
    """An erased result still was in reach of the model; it is never said that it was not."""
    graph = lineage(recording(absent={"action.outcome": GivenContent("text", erased_by=gone)}))
    assert graph.nodes["result:triage/0/0"].state is state
    assert strength(graph, "result:triage/0/0", "model:m2") is Strength.POSSIBLE
    found = of_text(graph, TICKET)
    assert "result:triage/0/0" in found.unknown
    assert "result:triage/0/0" not in found.starts


def test_a_model_without_contents_has_possible_edges() -> None:
    """A role with `model.audit: digest` keeps its words off the record."""
    bare = [
        (kind, step, {name: value for name, value in data.items() if name not in ("request", "response")})
        for kind, step, data in events()
    ]
    graph = lineage(recording(bare))
    assert graph.nodes["model:m2"].state is State.MISSING
    assert strength(graph, "result:triage/0/0", "model:m2") is Strength.POSSIBLE
    assert strength(graph, "model:m1", "action:triage/0/0") is Strength.POSSIBLE


def test_another_approved_digest_leads_to_no_action() -> None:
    """An approval reaches only the action that it was given for."""
    other = [
        (kind, step, {**data, "approved_digest": "sha256:" + "0" * 64} if kind == "approval.decided" else data)
        for kind, step, data in events()
    ]
    assert strength(lineage(recording(other)), "approval:apr-1", SENT) is None


def test_where_a_value_went() -> None:
    """By its text and by its digest."""
    graph = lineage(recording())
    found = of_text(graph, "customer 4711 asks")
    assert found.starts == {"result:triage/0/0": ("/text",), "model:m2": ("/request/messages/0/content",)}
    assert found.reached[SENT] is Strength.POSSIBLE
    assert "input" not in found.reached
    named = of_digest(graph, digest(ARGUMENTS))
    assert set(named.starts) == {"proposal:reply/0/0", SENT}
    assert named.reached["approval:apr-1"] is Strength.OBSERVED
    assert not of_text(graph, "nowhere to be found").part.nodes
    assert not of_digest(graph, "sha256:" + "1" * 64).part.nodes


def test_where_an_answer_came_from() -> None:
    """Backwards, and nothing that came after."""
    graph = lineage(recording())
    found = into(graph, "triage")
    assert "result:triage/0/0" in found.reached
    assert not {"step:reply", "output"} & set(found.part.nodes)
    assert {"input", SENT} <= set(into(graph, "output").reached)
    assert not into(graph, "nowhere").part.nodes


def test_whose_data_it_was() -> None:
    """By the principal that the leaves name, or a key of contents."""
    graph = lineage(recording())
    assert set(of_principal(graph, "anna").starts) == set(graph.nodes)
    assert not of_principal(graph, "ann").starts
    assert "input" in of_key(graph, KEY).starts
    assert "step:reply" not in of_key(graph, KEY).starts


def test_short_texts_prove_nothing() -> None:
    """Common words stand everywhere."""
    short, long = "x" * (MIN_LENGTH - 1), "x" * MIN_LENGTH
    assert not found_again(texts({"a": short}), texts({"b": short}))
    assert found_again(texts({"a": long}), texts({"b": f"said: {long}"})) == (("/a", "/b"),)


def test_json_in_a_text_is_looked_into() -> None:
    """Arguments of tool calls and structured answers are JSON inside of JSON; deep ones end somewhere."""
    assert texts({"a": '{"b/c": ["hello"]}'}) == (("/a/b~1c/0", "hello"),)
    assert texts({"a": '{"b": '}) == (("/a", '{"b": '),)
    assert isinstance(texts({"a": "[" * 100_000}), tuple)


def test_drawings_take_nothing_as_syntax() -> None:
    """A tool's name with quotes, brackets and line ends stays a text."""
    hostile = 'x"];\n  evil --> n0_0 <script> %% `'
    said = [
        (kind, step, {**data, "action": {**data["action"], "tool": hostile}} if kind == "action.intent" else data)
        for kind, step, data in events()
    ]
    graph = lineage(recording(said))
    drawn = list(mermaid([graph]))
    assert drawn[0] == "flowchart TD"
    assert all("\n" not in one for one in itertools.chain(drawn, dot([graph])))
    assert not any("evil -->" in one or "<script>" in one for one in drawn)
    assert any("&quot;" in one or "#34;" in one for one in drawn)
    assert any('x\\"];' in one for one in dot([graph]))
    assert sum("-->" in one for one in drawn) == sum(edge.strength is Strength.OBSERVED for edge in graph.edges)
    assert sum("-.->" in one for one in drawn) == sum(edge.strength is Strength.POSSIBLE for edge in graph.edges)


TRIAGE = {"name": "triage", "role": "triage", "with": {"id": "${input.ticket}"}}


def test_a_contract_names_what_is_handed_on_by_field() -> None:
    """Then a step has what the orchestration names, and the output is made of what it names."""
    reply = {"name": "reply", "role": "writer", "with": {"case": "${steps.triage.output.kind}"}}
    graph = lineage(recording(), orchestration("${steps.reply.output.text}", TRIAGE, reply))
    named = {(edge.source, edge.target): edge.fields for edge in graph.edges if "orchestration" in edge.why}
    assert named == {
        ("input", "step:triage"): (("/input/ticket", "/with/id"),),
        ("answer:triage", "step:reply"): (("/output/kind", "/with/case"),),
        ("answer:reply", "output"): (("/output/text", "/output"),),
    }


def test_a_contract_that_names_nothing_hands_on_nothing() -> None:
    """What one branch said is no source of the other's answer."""
    reply = {"name": "reply", "role": "writer", "with": {"text": "hello"}}
    graph = lineage(recording(), orchestration("${steps.reply.output}", TRIAGE, reply))
    assert strength(graph, "answer:triage", "step:reply") is None
    assert "result:triage/0/0" not in into(graph, "output").reached


def test_whatever_may_be_handed_on_stays_possible() -> None:
    """By waiting, by a computed expression, in a list's items, or by an output that is not named."""
    waits = {"name": "reply", "role": "writer", "needs": ("triage",)}
    computed = {"name": "reply", "role": "writer", "with": {"all": "got ${size(steps['triage'].output.kind)}"}}
    each = {"name": "reply", "role": "writer", "forEach": "${steps.triage.output.all}", "with": {"a": "${item}"}}
    for step in (waits, computed, each):
        graph = lineage(recording(), orchestration(None, TRIAGE, step))
        assert strength(graph, "answer:triage", "step:reply") is Strength.POSSIBLE, step
        assert strength(graph, "answer:triage", "output") is Strength.POSSIBLE


def test_what_was_refused_was_told_to_the_model() -> None:
    """A refusal and the answer of people are in the conversation that goes on."""
    said = [
        ("action.denied" if kind == "action.intent" and step == "triage" else kind, step, data)
        for kind, step, data in events()
    ]
    assert strength(lineage(recording(said)), "refusal:triage/0/0", "model:m2") is Strength.POSSIBLE
