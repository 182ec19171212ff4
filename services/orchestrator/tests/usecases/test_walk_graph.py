"""Graphs, cancelling and replays of whole runs, on fakes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from amas_orchestrator.domain.events import MAX_RECORDED
from amas_orchestrator.domain.model import Json, RunState, StepState
from amas_orchestrator.ports import Actor

from .. import resources
from ..fakes import Crashed
from ..world import World, says, topic


def echo(_: Actor, messages: list[Json]) -> Json:
    """The topic and an exclamation mark."""
    return says({"text": topic(messages) + "!"})


def world(*graphs: str) -> World:
    """A world with one worker that echoes."""
    return World(resources.bundle_of(resources.SHARED, resources.role("worker"), *graphs), echo)


async def test_a_chain_needs_one_durable_step_a_turn() -> None:
    """Steps that run alone are in the run's own workflow: three turns and the end, and nothing else."""
    made = world(resources.SEQUENCE)
    workflow = await made.start("sequence")
    run = await made.finish(workflow)
    assert run.output_json == '"a!!!"'
    assert workflow.ran == ["first/0", "second/0", "third/0", "end"]


@pytest.mark.parametrize("crash_in", ["first/0", "second/0", "third/0", "end"])
async def test_a_replay_after_a_crash_says_and_does_the_same(crash_in: str) -> None:
    """Whichever step is cut, the record is the same and no completed step runs again."""
    calm = world(resources.SEQUENCE)
    await calm.run("sequence")
    made = world(resources.SEQUENCE)
    workflow = await made.start("sequence")
    workflow.crash_in = crash_in
    with pytest.raises(Crashed):
        await made.finish(workflow)
    workflow.crash_in = ""
    run = await made.finish(workflow)
    assert run.state is RunState.SUCCEEDED
    assert made.audit.types() == calm.audit.types()
    assert made.runs.kinds(run.id) == calm.runs.kinds(next(iter(calm.runs.runs)))
    assert len(made.model.calls) == 3


async def test_a_replay_by_another_executor_writes_nothing_twice() -> None:
    """A run taken over goes on from its checkpoints under the new token."""
    made = world(resources.SEQUENCE)
    workflow = await made.start("sequence")
    workflow.crash_in = "second/0"
    with pytest.raises(Crashed):
        await made.finish(workflow)
    workflow.crash_in = ""
    await made.runs.take_over(workflow.workflow_id, made.clock.now())
    run = await made.finish(workflow)
    assert run.state is RunState.SUCCEEDED
    assert made.audit.highest == 2
    assert len(made.audit.records) == len({record.id for record in made.audit.records})


async def test_a_diamond_joins_both_sides() -> None:
    """The last step gets what both sides brought."""
    assert (await world(resources.DIAMOND).run("diamond")).output_json == '"a!!+a!!!"'


async def test_a_map_over_nothing_is_done_at_once() -> None:
    """An empty list gives an empty list."""
    run = await world(resources.MAP).run("map", {"topic": "a", "list": []})
    assert (run.state, run.output_json) == (RunState.SUCCEEDED, "[]")


async def test_one_item_that_fails_fails_the_map() -> None:
    """A map is as good as its worst item; the run's reason says which step it was."""
    made = world(resources.MAP)
    made.model.say = lambda _, messages: says("bad" if topic(messages) == "y" else {"text": "good"})
    run = await made.run("map", {"topic": "a", "list": ["x", "y", "z"]})
    assert (run.state, run.reason and run.reason.code) == (RunState.FAILED, "OUTPUT_INVALID")
    assert run.reason is not None
    assert run.reason.message.startswith("step each:")


async def test_a_map_over_no_list_fails_with_a_reason() -> None:
    """An expression that gives no list is a fault of the step, not of the service."""
    graph = resources.MAP.replace('"${input.list}"', '"${input.topic}"')
    run = await world(graph).run("map")
    assert (run.state, run.reason and run.reason.code) == (RunState.FAILED, "EXPRESSION_FAILED")


async def test_a_branch_is_taken_or_not() -> None:
    """`when` decides; what refers to a skipped step is skipped too."""
    made = world(resources.BRANCH)
    run = await made.run("branch", {"topic": "go"})
    assert run.state is RunState.SUCCEEDED
    assert len(made.model.calls) == 3
    other = await made.run("branch", {"topic": "stay"})
    kinds = made.runs.kinds(other.id)
    assert f"act:{StepState.SKIPPED}" in kinds
    assert f"after:{StepState.SKIPPED}" in kinds


async def test_a_step_that_fails_stops_what_runs_beside_it() -> None:
    """When one side of a diamond fails the run fails, with the reason of that side."""
    made = world(resources.DIAMOND)
    seen: list[str] = []

    def say(actor: Actor, messages: list[Json]) -> Json:
        seen.append(actor.step)
        return says("bad") if actor.step == "left" else says({"text": topic(messages)})

    made.model.say = say
    run = await made.run("diamond")
    assert run.state is RunState.FAILED
    assert run.reason is not None
    assert run.reason.message.startswith("step left:")
    assert "bottom" not in seen


async def test_an_output_expression_that_fails_fails_the_run() -> None:
    """The end of the run says what is wrong with its output."""
    graph = resources.orchestration("odd", '    - {name: only, role: worker, with: {topic: "a"}}', '"${1 / 0}"')
    run = await world(graph).run("odd")
    assert (run.state, run.reason and run.reason.code) == (RunState.FAILED, "OUTPUT_EXPRESSION_FAILED")


async def test_the_record_holds_what_steps_and_runs_gave() -> None:
    """I10: the end of an answer's way is on the record, without secrets, and of a large one its size alone."""
    key = "-".join(("AKIA" + "IOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"))
    said = iter([f"key {key}", "x" * 200_000, "y" * 200_000])
    made = World(
        resources.bundle_of(
            resources.SHARED,
            resources.role("worker", bounds="{bytesOut: 250000}"),
            resources.orchestration(
                "wide",
                """
    - {name: first, role: worker, with: {topic: "a"}}
    - {name: second, role: worker, with: {topic: "b"}, needs: [first]}
    - {name: third, role: worker, with: {topic: "c"}, needs: [second]}
""",
                '["${steps.second.output}", "${steps.second.output}", "${steps.third.output}"]',
            ),
        ),
        lambda actor, messages: says({"text": next(said)}),
    )
    assert (await made.run("wide")).state is RunState.SUCCEEDED
    ends = {record.step: record.data for record in made.audit.records if record.type.endswith(".ended")}
    assert ends["first"]["output"]["text"].startswith("key ")
    assert key not in json.dumps(ends["first"])
    assert ends["second"]["output"] == {"text": "x" * 200_000}
    assert (ends[""]["output"], ends[""]["output_bytes"] > MAX_RECORDED) == (None, True)


async def test_the_record_holds_what_steps_were_given() -> None:
    """I10: as the expressions handed it on, without secrets, and of what is too large nothing but its size."""
    key = "-".join(("AKIA" + "IOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"))
    said = iter([f"key {key}", "x" * 200_000, "done"])
    made = World(
        resources.bundle_of(
            resources.SHARED,
            resources.role("worker", bounds="{bytesOut: 250000, bytesIn: 2000000}"),
            resources.orchestration(
                "given",
                """
    - {name: first, role: worker, with: {topic: "a"}}
    - {name: second, role: worker, with: {topic: "${steps.first.output.text}"}}
    - name: third
      role: worker
      with: {topic: "${steps.second.output.text + steps.second.output.text + steps.second.output.text}"}
""",
                "${steps.third.output}",
            ),
        ),
        lambda actor, messages: says({"text": next(said)}),
    )
    await made.run("given")
    starts = {record.step: record.data for record in made.audit.records if record.type.endswith("step.started")}
    assert starts["first"]["input"] == {"topic": "a"}
    assert starts["second"]["input"]["topic"].startswith("key ")
    assert key not in json.dumps(starts["second"])
    assert (starts["third"]["input"], starts["third"]["input_bytes"] > MAX_RECORDED) == (None, True)


async def test_an_output_that_json_cannot_carry_fails_the_run() -> None:
    """Infinity is no JSON: nobody could read the record of it."""
    graph = resources.orchestration("odd", '    - {name: only, role: worker, with: {topic: "a"}}', '"${1.0 / 0.0}"')
    run = await world(graph).run("odd")
    assert (run.state, run.reason and run.reason.code) == (RunState.FAILED, "OUTPUT_EXPRESSION_FAILED")


async def test_a_cancelled_run_ends_as_cancelled() -> None:
    """A run that is cancelled between two turns does no further one, and says who cancelled it."""
    made = world(resources.SEQUENCE)
    workflow = await made.start("sequence")

    def say(actor: Actor, messages: list[Json]) -> Json:
        if actor.step == "second":
            run = made.runs.runs[actor.run_id]
            made.runs.runs[actor.run_id] = replace(run, cancel={"by": "developer", "reason": "enough"})
        return says({"text": topic(messages)})

    made.model.say = say
    run = await made.finish(workflow)
    assert (run.state, run.reason and run.reason.message) == (
        RunState.CANCELLED,
        "developer cancelled the run: enough",
    )
    assert len(made.model.calls) == 2
    assert made.audit.types()[-1] == "run.ended"


async def test_a_fault_of_ours_ends_the_run() -> None:
    """A run never hangs because of a bug: it fails with a generic reason and is on the record."""
    made = world(resources.SEQUENCE)

    def say(actor: Actor, messages: list[Json]) -> Json:
        raise ZeroDivisionError

    made.model.say = say
    run = await made.run("sequence")
    assert (run.state, run.reason and run.reason.code) == (RunState.FAILED, "INTERNAL")
    assert made.audit.types()[-1] == "run.ended"


async def test_the_end_is_on_the_record_before_it_is_shown() -> None:
    """While audit does not acknowledge the end, the run is shown as running."""
    made = world(resources.SEQUENCE)
    workflow = await made.start("sequence")
    workflow.crash_in = "third/0"
    with pytest.raises(Crashed):
        await made.finish(workflow)
    append = made.audit.append

    async def watched(*arguments: object) -> None:
        records = arguments[1]
        if any(record.type == "dev.amas.run.ended" for record in records):  # type: ignore[attr-defined]
            assert not made.runs.runs[workflow.workflow_id].state.ended
        await append(*arguments)  # type: ignore[arg-type]

    made.audit.append = watched  # type: ignore[method-assign, assignment]
    workflow.crash_in = ""
    assert (await made.finish(workflow)).state is RunState.SUCCEEDED


async def test_a_step_input_is_held_to_its_role() -> None:
    """An input that breaks the role's schema fails the step before any model is asked."""
    free = "input: {schema: {type: object}}"
    role = resources.role("worker").replace(free, "input: {schema: {type: object, required: [other]}}")
    made = World(resources.bundle_of(resources.SHARED, role, resources.SINGLE), echo)
    run = await made.run("single")
    assert (run.state, run.reason and run.reason.code) == (RunState.FAILED, "STEP_INPUT_INVALID")
    assert not made.model.calls
