"""Which edges a record proves, which it only allows, and what the questions to it answer."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from amas_cli.audit_trail import GivenContent
from amas_cli.lineage.answers import answered
from amas_cli.lineage.building import lineage
from amas_cli.lineage.drawing import dot, mermaid
from amas_cli.lineage.graph import Graph, State, Strength
from amas_cli.lineage.searching import into, of_digest, of_key, of_principal, of_text
from amas_cli.lineage.values import MIN_LENGTH, found_again, texts
from amas_governance.canonical import digest

from .records import ARGUMENTS, KEY, LABEL, READ, TICKET, events, orchestration, recording

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
        ("model:m2", "answer:triage"),
        (SENT, f"result:{SENT.partition(':')[2]}"),
    ):
        assert strength(graph, source, target) is Strength.OBSERVED, (source, target)


def test_what_only_order_allows_is_possible() -> None:
    """A step may have been given what ended before it; nothing on record shows that it was."""
    graph = lineage(recording())
    for source, target in (
        ("answer:triage", "step:reply"),
        ("step:reply", "model:m3"),
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


REPLY = {"name": "reply", "role": "writer", "with": {"text": "hello"}}
LONG = {"text": "a refund of 12 euro was granted"}


def ending(kind: str, step: str, output: Any) -> tuple[str, str, dict[str, Any]]:
    """The end of a step or of the run, with what it gave."""
    size = len(json.dumps(output, separators=(",", ":")))
    return kind, step, {"state": "succeeded", "label": LABEL, "output": output, "output_bytes": size}


def with_ends(*ends: tuple[str, str, dict[str, Any]]) -> list[tuple[str, str, dict[str, Any]]]:
    """The record with other ends."""
    changed = {(kind, step): (kind, step, data) for kind, step, data in ends}
    return [changed.get((kind, step), (kind, step, data)) for kind, step, data in events()]


def test_the_value_that_the_contract_names_is_the_output() -> None:
    """By the very field, however short it is; and where it is another value, the edge stays possible."""
    named = orchestration("${steps.reply.output.text}", TRIAGE, REPLY)
    graph = lineage(recording(), named)
    (edge,) = graph.into("output")
    assert (edge.source, edge.strength, edge.fields) == (
        "answer:reply",
        Strength.OBSERVED,
        (("/output/text", "/output"),),
    )
    other = recording(with_ends(ending("run.ended", "", "lost")))
    assert strength(lineage(other, named), "answer:reply", "output") is Strength.POSSIBLE


def test_the_input_can_come_out_as_it_went_in() -> None:
    """A field of the input that the contract names is the output without any step."""
    said = recording(with_ends(ending("run.ended", "", READ["ticket"])))
    graph = lineage(said, orchestration("${input.ticket}", TRIAGE, REPLY))
    assert strength(graph, "input", "output") is Strength.OBSERVED


def test_without_a_contract_a_long_value_tells() -> None:
    """An export has no contract: the same value counts, and a text in it, unless it is short."""
    whole = with_ends(ending("step.ended", "reply", LONG), ending("run.ended", "", LONG))
    part = with_ends(ending("step.ended", "reply", LONG), ending("run.ended", "", [LONG["text"]]))
    for said in (whole, part):
        assert strength(lineage(recording(said)), "answer:reply", "output") is Strength.OBSERVED
    assert strength(lineage(recording()), "answer:reply", "output") is Strength.POSSIBLE


def test_an_output_is_looked_into() -> None:
    """Where a value went: also into an answer of which the model's own words are not on record."""
    said = with_ends(ending("step.ended", "reply", LONG), ending("run.ended", "", LONG))
    graph = lineage(recording(said))
    assert of_text(graph, "12 euro").starts == {"answer:reply": ("/output/text",), "output": ("/output/text",)}
    assert set(of_digest(graph, digest(LONG)).starts) == {"answer:reply", "output"}


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({"output": None, "output_bytes": 4}, State.NONE),
        ({"output": None, "output_bytes": 600_000}, State.MISSING),
        ({"state": "failed"}, State.GIVEN),
    ],
)
def test_an_end_says_what_it_has(more: dict[str, Any], state: State) -> None:
    """Nothing given, too large to be on record, or given."""
    kind, step, said = ending("run.ended", "", "sent")
    data = {name: value for name, value in {**said, **more}.items() if value is not None}
    assert lineage(recording(with_ends((kind, step, data)))).nodes["output"].state is state


def test_an_end_that_gave_nothing_has_no_content() -> None:
    """A step that failed has no output that could be missing."""
    failed = with_ends(("step.ended", "reply", {"state": "failed"}), ("run.ended", "", {"state": "failed"}))
    graph = lineage(recording(failed))
    assert {graph.nodes[name].state for name in ("answer:reply", "output")} == {State.NONE}


def test_an_erased_output_leaves_its_edges_possible() -> None:
    """It is never said that nothing came out."""
    graph = lineage(recording(absent={"run.ended": GivenContent("output", erased_by="event-9")}))
    assert graph.nodes["output"].state is State.ERASED
    assert strength(graph, "answer:reply", "output") is Strength.POSSIBLE


def test_a_fenced_answer_is_the_output() -> None:
    """Models put their JSON between fences; the loop takes it from there."""
    assert answered(json.dumps({"choices": [{"message": {"content": '```json\n{"a": 1.0}\n```'}}]}), {"a": 1})
    for odd in ("", "{", '{"choices": [{"message": {"content": "no"}}]}', '{"choices": 1}'):
        assert not answered(odd, {"a": 1})


def test_what_was_refused_was_told_to_the_model() -> None:
    """A refusal and the answer of people are in the conversation that goes on."""
    said = [
        ("action.denied" if kind == "action.intent" and step == "triage" else kind, step, data)
        for kind, step, data in events()
    ]
    assert strength(lineage(recording(said)), "refusal:triage/0/0", "model:m2") is Strength.POSSIBLE


def with_inputs(**inputs: Any) -> list[tuple[str, str, dict[str, Any]]]:
    """The record with what its steps were given."""
    return [
        (kind, step, {**data, "input": inputs[step]} if kind == "step.started" and step in inputs else data)
        for kind, step, data in events()
    ]


def test_what_a_step_was_given_is_observed() -> None:
    """By the very field that the contract names, however short; and where it is another value, it stays possible."""
    reply = {"name": "reply", "role": "writer", "with": {"case": "${steps.triage.output.kind}"}}
    named = orchestration("${steps.reply.output.text}", TRIAGE, reply)
    graph = lineage(recording(with_inputs(triage={"id": READ["ticket"]}, reply={"case": "refund"})), named)
    assert strength(graph, "input", "step:triage") is Strength.OBSERVED
    (edge,) = [edge for edge in graph.into("step:reply") if edge.source == "answer:triage"]
    assert (edge.strength, edge.fields) == (Strength.OBSERVED, (("/output/kind", "/with/case"),))
    assert graph.nodes["step:reply"].state is State.GIVEN
    other = lineage(recording(with_inputs(triage={"id": "another one"}, reply={"case": "lost"})), named)
    for source, target in (("input", "step:triage"), ("answer:triage", "step:reply")):
        assert strength(other, source, target) is Strength.POSSIBLE


def test_without_a_contract_what_a_step_was_given_is_found_by_its_text() -> None:
    """From the run's input into the step, and from the step into what its model was told."""
    graph = lineage(recording(with_inputs(triage={"id": READ["ticket"]})))
    assert strength(graph, "input", "step:triage") is Strength.OBSERVED
    assert strength(graph, "step:triage", "model:m1") is Strength.OBSERVED
    assert of_digest(graph, digest({"id": READ["ticket"]})).starts.keys() == {"step:triage"}


def test_an_input_that_was_erased_is_said_to_be() -> None:
    """Then the step holds something that nobody can look into any more."""
    gone = GivenContent("input", erased_by="erased:1")
    graph = lineage(recording(absent={"step.started": gone}))
    assert graph.nodes["step:triage"].state is State.ERASED
    assert not graph.nodes["step:triage"].digests, "what is gone is no null"
    assert lineage(recording()).nodes["step:triage"].state is State.NONE
