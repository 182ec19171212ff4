"""Declassification in runs, on fakes: people lower the label of exactly the value that they saw (I3, I6)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from amas_governance.canonical import digest
from amas_governance.labels import Confidentiality, Integrity
from amas_orchestrator.domain.model import Json, Run, RunState
from amas_orchestrator.ports import Actor

from .. import resources
from ..fakes import DEVELOPER, UNTRUSTED, Crashed
from ..world import World, calls, results, says
from .test_flow import LabellingEnforcer

RULE = """{to: {confidentiality: public, integrity: trusted}, reason: Notes are for everybody.,
      approval: {from: [release-managers], quorum: 1, fourEyes: true, expiresIn: 30m}}"""


def graph(rule: str = RULE, on_rejected: str = "fail") -> str:
    """A step whose output is declassified, and one that is made from it."""
    return resources.orchestration(
        "publish",
        f"""
    - name: draft
      role: worker
      with: {{topic: "${{input.topic}}"}}
      declassify: {rule}
      onRejected: {on_rejected}
    - {{name: send, role: worker, with: {{topic: "${{steps.draft.output.text}}"}}}}
""",
        '"${steps.send.output.text}"',
    )


def world(text: str = graph(), output: str = "the notes") -> tuple[World, list[Actor]]:
    """A drafter that reads something untrusted, a sender, and who was seen sending."""
    seen: list[Actor] = []

    def say(actor: Actor, messages: list[Json]) -> Json:
        if actor.step == "draft":
            return says({"text": output}) if results(messages) else calls(("notes__read", {}))
        seen.append(actor)
        return says({"text": "sent"})

    bundle = resources.bundle_of(resources.SHARED, resources.role("worker"), text)
    return World(bundle, say, LabellingEnforcer([UNTRUSTED])), seen


def lowered(made: World) -> Any:
    """Data of the one record of a lowered label."""
    (record,) = [found for found in made.audit.records if found.type == "dev.amas.label.lowered"]
    return record.data


async def finished(made: World, *humans: Any) -> Run:
    """The run, with these humans asked in turn."""
    return await made.run("publish", {"topic": "a"}, *humans)


async def test_people_lower_the_label_of_what_they_saw() -> None:
    """I6: the next step gets the lower label, and the record says who agreed, to what, from where to where, and why."""
    made, seen = world()
    run = await finished(made, lambda _: made.decide(True))
    assert run.state is RunState.SUCCEEDED
    # The run's own input is internal, so the next step is; what it got of the draft raises it no further.
    assert (seen[0].label.confidentiality, seen[0].label.integrity) == (Confidentiality.INTERNAL, Integrity.TRUSTED)
    assert seen[0].trusted.texts == ('"the notes"',)
    (approval,) = made.approvals.stored.values()
    data = lowered(made)
    assert data["by"] == "declassification"
    assert data["approvalId"] == approval.id
    assert data["approvers"] == ["release-manager"]
    assert data["reason"] == "Notes are for everybody."
    assert data["from"] == UNTRUSTED.to_dict()
    assert data["to"] == {"confidentiality": "public", "categories": [], "integrity": "trusted"}
    assert data["valueDigest"] == digest({"text": "the notes"})


async def test_the_approval_shows_the_exact_value_and_both_labels() -> None:
    """I3: what is approved is the value, by digest; another value has another digest."""
    shown: list[Any] = []
    for output in ("the notes", "other notes"):
        made, _ = world(output=output)
        await finished(made, lambda _, made=made: made.decide(True))
        (approval,) = made.approvals.stored.values()
        arguments = json.loads(approval.arguments_json)
        assert arguments["value"] == {"text": output}
        assert (arguments["from"]["integrity"], arguments["to"]["integrity"]) == ("untrusted", "trusted")
        assert (approval.kind.value, approval.requirement.groups) == ("declassification", ("release-managers",))
        shown.append(approval.action_digest.partition(":")[2])
    assert shown[0] != shown[1]


@pytest.mark.parametrize("on_rejected", ["fail", "end"])
async def test_a_no_lowers_nothing_and_nothing_follows(on_rejected: str) -> None:
    """I6: without an agreement the step ends as rejected, and its output goes nowhere."""
    made, seen = world(graph(on_rejected=on_rejected))
    run = await finished(made, lambda _: made.decide(False))
    assert run.state is (RunState.FAILED if on_rejected == "fail" else RunState.REJECTED)
    assert seen == []
    assert "label.lowered" not in made.audit.types()
    assert all(not event.payload.get("output_json") for event in made.runs.written[run.id])


async def test_no_answer_in_time_is_a_no() -> None:
    """I3: silence declassifies nothing."""
    made, seen = world()
    run = await finished(made)
    assert (run.state, run.reason and run.reason.code) == (RunState.FAILED, "APPROVAL_EXPIRED")
    assert seen == []


async def test_who_asked_may_not_agree_where_four_eyes_are_asked_for() -> None:
    """I3: the one who started the run does not declassify its output."""
    made, seen = world()

    async def refused(_: str) -> None:
        with pytest.raises(Exception, match=r".+"):
            await made.decide(True, DEVELOPER)

    run = await finished(made, refused)
    assert run.state is RunState.FAILED
    assert seen == []


async def test_what_is_low_already_asks_nobody() -> None:
    """An act that would change nothing is none."""
    made, seen = world(
        graph(RULE.replace("{confidentiality: public, integrity: trusted}", "{confidentiality: restricted}"))
    )
    run = await finished(made)
    assert run.state is RunState.SUCCEEDED
    assert seen[0].label.integrity is Integrity.UNTRUSTED
    assert not made.approvals.stored


@pytest.mark.parametrize("crash_in", ["draft/1", "draft/declassify", "send/0", "end"])
async def test_a_replay_asks_once_and_lowers_once(crash_in: str) -> None:
    """I4: after a crash people are not asked again, and the record stays as it was."""
    made, seen = world()
    workflow = await made.start("publish", {"topic": "a"})
    # The second is the same message again: a replay receives what was received before.
    workflow.humans = [lambda _: made.decide(True), lambda _: None]
    workflow.crash_in = crash_in
    with pytest.raises(Crashed):
        await made.finish(workflow)
    workflow.crash_in = ""
    run = await made.finish(workflow)
    assert run.state is RunState.SUCCEEDED
    assert len(made.approvals.stored) == 1
    assert made.audit.types().count("label.lowered") == 1
    assert seen[-1].label.integrity is Integrity.TRUSTED
