"""What callers see of a run, on fakes: nothing that was not looked through (invariants I1, I4, I7)."""

from __future__ import annotations

import json

import pytest
from amas_chassis.errors import AmasError, ErrorKind
from amas_orchestrator.domain import shown
from amas_orchestrator.domain.model import Json, Run, RunState
from amas_orchestrator.ports import Actor

from .. import resources
from ..world import World, calls, results, says

WITHHELD = "[withheld: it cannot be looked through]"


def world(text: str, tool: str = "read") -> World:
    """A run that calls a tool with a text, and answers it."""

    def say(actor: Actor, messages: list[Json]) -> Json:
        return says({"text": text}) if results(messages) else calls((f"notes__{tool}", {"text": text}))

    return World(resources.bundle_of(resources.SHARED, resources.role("worker"), resources.SINGLE), say)


def seen(made: World, run: Run) -> str:
    """All that watchers of the run and readers of its events see."""
    return json.dumps([event.payload for event in made.runs.written[run.id]])


async def test_the_output_and_all_that_leads_to_it_is_inspected() -> None:
    """Outputs of steps, arguments and results of tools: what callers see is what inspection answered."""
    made = world("a hidden thing")
    run = await made.run("single")
    assert run.state is RunState.SUCCEEDED
    assert json.loads(run.output_json) == {"text": "a [redacted] thing"}
    assert "hidden" not in seen(made, run)
    # The model worked with it as it was.
    assert made.enforcer.arguments == [{"text": "a hidden thing"}]


async def test_the_event_of_an_approval_is_inspected_and_the_approval_is_exact() -> None:
    """Watchers are no approvers; approvers answer about exactly what they read in the approval."""
    made = world("a hidden thing", tool="write")
    run = await made.run("single", None, lambda _: made.decide(True))
    (approval,) = made.approvals.stored.values()
    assert json.loads(approval.arguments_json) == {"text": "a hidden thing"}
    assert "hidden" not in seen(made, run)


async def test_a_denied_output_is_not_given() -> None:
    """The run fails with the reason, on the record too, and nothing of the output stands anywhere."""
    made = world("a forbidden, hidden thing")
    run = await made.run("single")
    assert (run.state, run.output_json) == (RunState.FAILED, "")
    assert run.reason is not None
    assert (run.reason.code, "pii/email" in run.reason.message) == ("SENSITIVE_ANSWER", True)
    (ended,) = [record for record in made.audit.records if record.type == "dev.amas.run.ended"]
    assert (ended.data["state"], ended.data["reason"]["code"]) == ("failed", "SENSITIVE_ANSWER")
    assert "hidden" not in seen(made, run)
    # The run gave nothing; what its step gave is on record as what it was denied for.
    assert "output" not in ended.data
    (step,) = [record for record in made.audit.records if record.type == "dev.amas.step.ended"]
    assert step.data["output"] == {"text": "a forbidden, hidden thing"}


async def test_an_inspection_that_is_away_is_waited_for() -> None:
    """I4: nothing is shown meanwhile, and the run goes on by itself."""
    made = world("a hidden thing")
    made.enforcer.inspection_failures = [AmasError(ErrorKind.UNAVAILABLE, "UPSTREAM_UNAVAILABLE", "away")] * 3
    run = await made.run("single")
    assert (run.state, "hidden" in seen(made, run)) == (RunState.SUCCEEDED, False)
    assert not made.enforcer.inspection_failures


async def test_what_inspection_cannot_judge_is_withheld_and_the_run_ends() -> None:
    """Fail closed, without a run that hangs."""
    made = world("a hidden thing")
    made.enforcer.inspection_failures = [AmasError(ErrorKind.INTERNAL, "INTERNAL", "broken")] * 100
    run = await made.run("single")
    assert (run.state, run.reason and run.reason.code) == (RunState.FAILED, "ANSWER_UNSCANNABLE")
    assert "hidden" not in seen(made, run)
    assert WITHHELD in seen(made, run)


@pytest.mark.parametrize("size", [shown.MAX_BYTES - 2, shown.MAX_BYTES - 1])
def test_texts_are_inspected_in_bounded_portions(size: int) -> None:
    """As many at once as fit, in order; one that is too long comes alone, to be withheld."""
    long = json.dumps("x" * size)
    texts = ['"a"', '"b"', long, '"c"']
    portions = list(shown.batches(texts))
    assert [text for portion in portions for text in portion] == texts
    assert [long] in portions
    assert shown.fits([long]) is (size == shown.MAX_BYTES - 2)
    assert len(list(shown.batches(['"a"'] * (2 * shown.MAX_AT_ONCE + 1)))) == 3
