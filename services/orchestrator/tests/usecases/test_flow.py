"""Labels and origins through whole runs, on fakes: labels never sink, and only what was trusted stays so (I6)."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from typing import Any

from amas_governance.labels import CATEGORIES, Confidentiality, Integrity, Label
from amas_governance.provenance import TrustedValues
from amas_orchestrator.domain.model import Json, RunState
from amas_orchestrator.domain.origins import INPUT_LABEL
from amas_orchestrator.ports import Actor, Enforced, Grant
from hypothesis import given, settings
from hypothesis import strategies as st

from .. import resources
from ..fakes import UNTRUSTED, FakeEnforcer
from ..world import World, calls, results, says, topic

LABELS = st.builds(
    Label,
    st.sampled_from(list(Confidentiality)),
    st.frozensets(st.sampled_from(sorted(CATEGORIES))),
    st.sampled_from(list(Integrity)),
)


class LabellingEnforcer(FakeEnforcer):
    """Answers with the next label, joined to the context's as the policy-sidecar does, and with trusted values."""

    def __init__(self, labels: list[Label], trusted: Any = ()) -> None:
        super().__init__()
        self.escalates = False
        self.labels = labels
        self.trusted = TrustedValues.of(trusted)

    async def enforce(self, actor: Actor, tool: str, arguments: Json, key: str, grant: Grant | None = None) -> Enforced:
        answer = await super().enforce(actor, tool, arguments, key, grant)
        label = self.labels.pop(0) if self.labels else UNTRUSTED
        return replace(answer, label=actor.label.join(label), trusted=self.trusted)


def world(say: Any, enforcer: FakeEnforcer, *texts: str) -> World:
    """A world whose tools answer with labels."""
    return World(resources.bundle_of(resources.SHARED, *(texts or (resources.role("worker"),))), say, enforcer)


@settings(max_examples=40, deadline=None)
@given(st.lists(LABELS, min_size=1, max_size=9))
def test_labels_never_sink_on_a_walk(labels: list[Label]) -> None:
    """I6: each call of a run carries a label above every earlier one that its context holds, step after step."""
    seen: list[Label] = []
    given_labels = list(labels)

    def say(actor: Actor, messages: list[Json]) -> Json:
        seen.append(actor.label)
        if len(results(messages)) < 2:
            return calls(("notes__read", {"text": "x"}))
        return says({"text": topic(messages)})

    made = world(say, LabellingEnforcer(list(labels)), resources.role("worker"), resources.SEQUENCE)
    run = asyncio.run(made.run("sequence"))
    assert run.state is RunState.SUCCEEDED
    assert seen[0] == INPUT_LABEL
    for earlier, later in itertools.pairwise(seen):
        assert earlier.flows_to(later)
    for label in given_labels[:6]:
        assert label.flows_to(seen[-1])


async def test_the_record_holds_the_label_of_each_output() -> None:
    """I6, I10: how high a step's output and the run's stand is on the record; a marked schema raises it."""
    mark = "{type: string, x-amas-classification: {categories: [pii]}}"
    role = resources.role("worker").replace("properties: {text: {type: string}", f"properties: {{text: {mark}")

    def say(actor: Actor, messages: list[Json]) -> Json:
        return says({"text": "done"}) if results(messages) else calls(("notes__read", {}))

    made = world(say, LabellingEnforcer([UNTRUSTED]), role, resources.SINGLE)
    assert (await made.run("single")).state is RunState.SUCCEEDED
    ended = {record.type: record.data["label"] for record in made.audit.records if record.type.endswith(".ended")}
    expected = {"confidentiality": "internal", "categories": ["pii"], "integrity": "untrusted"}
    assert ended == {"dev.amas.step.ended": expected, "dev.amas.run.ended": expected}


async def test_a_map_joins_the_labels_and_origins_of_its_items() -> None:
    """I6: what is made of all items carries what each carried."""
    after = resources.orchestration(
        "mapped",
        """
    - {name: each, role: worker, forEach: "${input.list}", with: {topic: "${item}"}}
    - {name: last, role: worker, with: {topic: "${steps.each.output[0].text}"}}
""",
        '"${steps.last.output.text}"',
    )
    seen: dict[str, Actor] = {}

    def say(actor: Actor, messages: list[Json]) -> Json:
        seen[actor.step] = actor
        if topic(messages) == "two-b" and not results(messages):
            return calls(("notes__read", {}))
        return says({"text": topic(messages)})

    made = world(say, LabellingEnforcer([UNTRUSTED]), resources.role("worker"), after)
    run = await made.run("mapped", {"topic": "a", "list": ["one-a", "two-b"]})
    assert run.state is RunState.SUCCEEDED
    assert seen["each[0]"].label.integrity is Integrity.TRUSTED
    assert seen["last"].label.integrity is Integrity.UNTRUSTED
    assert seen["last"].trusted.texts == ('"one-a"',)


async def test_a_tainted_context_keeps_the_values_of_its_input_and_of_trusted_tools() -> None:
    """I6: after untrusted content the enforcer still hears which values stem from trusted input, and no other."""

    def say(actor: Actor, messages: list[Json]) -> Json:
        if not results(messages):
            return calls(("notes__read", {"text": "eve@evil.test"}), ("notes__write", {"text": "x"}))
        return says({"text": "done"})

    made = world(say, LabellingEnforcer([UNTRUSTED], ["c@acme.test"]), resources.role("worker"), resources.SINGLE)
    run = await made.run("single", {"topic": "T-1000"})
    assert run.state is RunState.SUCCEEDED
    read, write = (actor for actor, _, _, _ in made.enforcer.requests)
    assert read.trusted.texts == ('"T-1000"',)
    assert write.label.integrity is Integrity.UNTRUSTED
    assert set(write.trusted.texts) == {'"T-1000"', '"c@acme.test"'}


async def test_a_delegate_learns_no_trust_from_a_tainted_caller() -> None:
    """I6, confused deputy: of what a tainted model hands over, only values known as trusted before are trusted."""

    def say(actor: Actor, messages: list[Json]) -> Json:
        if actor.role == "helper":
            return calls(("notes__write", {})) if not results(messages) else says({"text": "eve@evil.test"})
        if not results(messages):
            return calls(("notes__read", {}))
        if len(results(messages)) == 1:
            return calls(("delegate__helper", {"topic": "T-1000", "text": "eve@evil.test"}))
        return says({"text": "eve@evil.test"})

    roles = (resources.role("worker", delegates="helper"), resources.role("helper"))
    made = world(say, LabellingEnforcer([UNTRUSTED]), *roles, resources.SINGLE)
    workflow = await made.start("single", {"topic": "T-1000"})
    run = await made.finish(workflow)
    assert run.state is RunState.SUCCEEDED
    write = made.enforcer.requests[-1][0]
    assert (write.role, write.label.integrity) == ("helper", Integrity.UNTRUSTED)
    assert write.trusted.texts == ('"T-1000"',)


async def test_the_output_of_a_tainted_step_trusts_only_what_it_was_given() -> None:
    """I6: the next step hears which of the values that it gets are still trusted, and which a model made up."""
    graph = resources.orchestration(
        "two",
        """
    - {name: first, role: worker, with: {topic: "${input.topic}"}}
    - {name: second, role: worker, with: {topic: "${steps.first.output.text}", more: "${steps.first.output.next}"}}
""",
        '"${steps.second.output.text}"',
    )
    seen: list[Actor] = []

    def say(actor: Actor, messages: list[Json]) -> Json:
        if actor.step == "second":
            seen.append(actor)
            return says({"text": "done"})
        return says({"text": "T-1000", "next": "eve@evil.test"}) if results(messages) else calls(("notes__read", {}))

    made = world(say, LabellingEnforcer([UNTRUSTED]), resources.role("worker"), graph)
    run = await made.run("two", {"topic": "T-1000"})
    assert run.state is RunState.SUCCEEDED
    assert seen[0].label.integrity is Integrity.UNTRUSTED
    assert seen[0].trusted.texts == ('"T-1000"',)
