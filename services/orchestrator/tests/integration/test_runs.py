"""Runs on a real Postgres through the real process."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import grpc
import pytest
from amas.audit.v1 import audit_pb2
from amas.common.v1 import run_pb2
from amas.orchestrator.v1 import orchestrator_pb2 as pb

from .fake_services import calls, says
from .platform import DEVELOPER, MANAGER, Platform

# Processes have bounds of their own; a hang of one of them is told by those.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


async def test_a_sequence_runs_to_its_end(amas: Platform) -> None:
    """A run does its steps in order under one trace, and its end is on the record before anybody sees it."""
    process = await amas.start()
    await amas.apply(process)
    run_id = await amas.run(process, "sequence")
    run = await amas.ended(process, run_id)
    assert (run.state, run.output_json) == (run_pb2.RUN_STATE_SUCCEEDED, '"a!!!"'), run
    assert amas.fakes.event_types(run_id) == [
        "run.started",
        *["step.started", "step.ended"] * 3,
        "run.ended",
    ]
    assert run.usage.input_tokens == 30
    assert run.usage.cost.amount == "0.003"
    assert [step.path for step in run.steps] == ["first", "second", "third"]
    assert amas.fakes.trace_ids == {run.trace_id}
    recorded = [event for event in amas.fakes.events if event.run_id == run_id]
    assert recorded[-1].contents[0] == audit_pb2.Content(name="output", media_type="application/json", data=b'"a!!!"')
    assert {event.type for event in recorded if not event.HasField("label")} == {"dev.amas.run.started"}


async def test_events_have_no_gap_and_can_be_resumed(amas: Platform) -> None:
    """A watcher that was cut off asks again with the last sequence and misses nothing."""
    process = await amas.start()
    await amas.apply(process)
    run_id = await amas.run(process, "sequence")
    events = await amas.events(process, run_id)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert await amas.events(process, run_id, after=4) == events[4:]
    assert events[-1].run_state_changed.state == run_pb2.RUN_STATE_SUCCEEDED


async def test_steps_that_depend_on_nothing_of_each_other_run_beside_each_other(amas: Platform) -> None:
    """Both sides of a diamond are at work at the same time, and what comes after gets both."""
    together: set[str] = set()

    async def brain(messages: list[dict[str, Any]]) -> dict[str, Any]:
        topic = json.loads(messages[1]["content"])["topic"]
        if topic == "a!":
            together.add(str(id(messages)))
            await amas.until(lambda: len(together) == 2, "the other side of the diamond")
        return says({"text": topic + "!"})

    amas.fakes.brain = brain
    process = await amas.start()
    await amas.apply(process)
    run = await amas.ended(process, await amas.run(process, "diamond"))
    assert (run.state, run.output_json) == (run_pb2.RUN_STATE_SUCCEEDED, '"a!!+a!!!"'), run


async def test_a_map_keeps_the_order_of_its_items(amas: Platform) -> None:
    """Outputs of a map are in the order of its list, whoever was faster, and never more run than allowed."""
    process = await amas.start()
    await amas.apply(process)
    run_id = await amas.run(process, "map", '{"topic": "a", "list": ["x", "y", "z"]}')
    run = await amas.ended(process, run_id)
    assert json.loads(run.output_json) == [{"text": "x!"}, {"text": "y!"}, {"text": "z!"}]
    assert {step.path for step in run.steps} == {"each", "each[0]", "each[1]", "each[2]"}


async def test_a_branch_that_is_not_taken_is_skipped_with_what_needs_it(amas: Platform) -> None:
    """A step whose condition is false is skipped, and so is a step that refers to what it would have brought."""
    process = await amas.start()
    await amas.apply(process)
    run = await amas.ended(process, await amas.run(process, "branch"))
    assert run.state == run_pb2.RUN_STATE_SUCCEEDED
    assert [(step.path, step.state) for step in run.steps] == [
        ("look", run_pb2.STEP_STATE_SUCCEEDED),
        ("act", run_pb2.STEP_STATE_SKIPPED),
        ("after", run_pb2.STEP_STATE_SKIPPED),
    ]


async def test_bad_input_is_refused_with_its_fields(amas: Platform) -> None:
    """An input that breaks the schema names the field and starts nothing."""
    process = await amas.start()
    await amas.apply(process)
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await amas.run(process, "sequence", '{"topic": 3}')
    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    listed = await amas.stub(process).ListRuns(pb.ListRunsRequest(principal=DEVELOPER))
    assert not listed.runs


async def test_the_same_key_is_the_same_run(amas: Platform) -> None:
    """A repetition with the same idempotency key starts nothing; another request under it is refused."""
    process = await amas.start()
    await amas.apply(process)
    run_id = await amas.run(process, "sequence", key="k")
    assert await amas.run(process, "sequence", key="k") == run_id
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await amas.run(process, "single", key="k")
    assert refusal.value.code() is grpc.StatusCode.ALREADY_EXISTS


async def test_another_tenant_sees_nothing(amas: Platform) -> None:
    """A run of one tenant does not exist for another, by any method."""
    process = await amas.start()
    await amas.apply(process)
    run_id = await amas.run(process, "sequence")
    stranger = type(DEVELOPER)()
    stranger.CopyFrom(DEVELOPER)
    stranger.tenant = "other"
    stub = amas.stub(process)
    for call in (
        stub.GetRun(pb.GetRunRequest(principal=stranger, run_id=run_id)),
        stub.CancelRun(pb.CancelRunRequest(principal=stranger, run_id=run_id)),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await call
        assert refusal.value.code() is grpc.StatusCode.NOT_FOUND
    assert not (await stub.ListRuns(pb.ListRunsRequest(principal=stranger))).runs
    await amas.ended(process, run_id)


async def test_an_approved_action_is_done_once(amas: Platform) -> None:
    """An escalated action waits and is done once after the approval; the same answer again is that one."""
    amas.fakes.brain = _writer
    process = await amas.start()
    await amas.apply(process)
    run_id = await amas.run(process, "single")
    approval = await amas.approval(process, run_id)
    waiting = await amas.get(process, run_id)
    assert waiting.state == run_pb2.RUN_STATE_WAITING
    await amas.decide(process, approval, approve=True)
    run = await amas.ended(process, run_id)
    assert run.state == run_pb2.RUN_STATE_SUCCEEDED, run
    assert len(amas.fakes.effects) == 1
    grant = amas.fakes.enforced[-1].approval
    assert grant.action_digest == approval.action_digest
    assert list(grant.approver_groups) == ["release-manager:release-managers"]
    await amas.decide(process, approval, approve=True)
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await amas.decide(process, approval, approve=False)
    assert "already" in (refusal.value.details() or "")
    assert len(amas.fakes.effects) == 1
    assert "approval.requested" in amas.fakes.event_types(run_id)


async def test_an_edited_action_is_done_as_it_was_edited(amas: Platform) -> None:
    """Previewed, approved with other arguments, and enforced under the edited action's own digest; all of it stored."""
    amas.fakes.brain = _writer
    process = await amas.start()
    await amas.apply(process)
    stub = amas.stub(process)
    run_id = await amas.run(process, "single")
    approval = await amas.approval(process, run_id)
    preview = pb.PreviewEditRequest(principal=MANAGER, approval_id=approval.id, arguments_json='{"text": "better"}')
    seen = await stub.PreviewEdit(preview)
    request = pb.DecideApprovalRequest(
        principal=MANAGER,
        approval_id=approval.id,
        approve=True,
        action_digest=seen.edit.action_digest,
        rendering_digest=seen.edit.rendering_digest,
        edited_arguments_json='{"text": "better"}',
    )
    decided = (await stub.DecideApproval(request)).approval
    run = await amas.ended(process, run_id)
    assert run.state == run_pb2.RUN_STATE_SUCCEEDED, run
    done = amas.fakes.enforced[-1]
    assert done.action.arguments_json == '{"text":"better"}'
    assert done.approval.action_digest == seen.edit.action_digest == decided.approved_digest
    read = await stub.GetApproval(pb.GetApprovalRequest(principal=MANAGER, approval_id=approval.id))
    assert [edit.rendering_digest for edit in read.approval.edits] == [seen.edit.rendering_digest]
    assert read.approval.answers[0].rendering_digest == seen.edit.rendering_digest
    assert "better" in run.output_json
    assert "approval.edited" in amas.fakes.event_types(run_id)


async def test_a_rejected_action_ends_the_run_as_rejected(amas: Platform) -> None:
    """A no ends the run where the orchestration says so, and nothing was done."""
    amas.fakes.brain = _writer
    process = await amas.start()
    await amas.apply(process)
    run_id = await amas.run(process, "single")
    await amas.decide(process, await amas.approval(process, run_id), approve=False)
    run = await amas.ended(process, run_id)
    assert (run.state, run.reason.code) == (run_pb2.RUN_STATE_REJECTED, "APPROVAL_REJECTED")
    assert not amas.fakes.effects


async def test_the_requester_cannot_approve(amas: Platform) -> None:
    """Four eyes: who started the run is refused, whatever groups it is in."""
    amas.fakes.brain = _writer
    process = await amas.start()
    await amas.apply(process)
    run_id = await amas.run(process, "single")
    approval = await amas.approval(process, run_id)
    requester = type(DEVELOPER)()
    requester.CopyFrom(MANAGER)
    requester.subject = DEVELOPER.subject
    request = pb.DecideApprovalRequest(
        principal=requester, approval_id=approval.id, approve=True, action_digest=approval.action_digest
    )
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await amas.stub(process).DecideApproval(request)
    assert refusal.value.code() is grpc.StatusCode.PERMISSION_DENIED
    await amas.decide(process, approval, approve=False)
    await amas.ended(process, run_id)


async def test_a_run_is_cancelled_while_it_waits(amas: Platform) -> None:
    """Cancelling wakes a run that waits for a human; it ends at once and its question is withdrawn."""
    amas.fakes.brain = _writer
    process = await amas.start()
    await amas.apply(process)
    run_id = await amas.run(process, "single")
    await amas.approval(process, run_id)
    request = pb.CancelRunRequest(principal=DEVELOPER, run_id=run_id, reason="not needed")
    await amas.stub(process).CancelRun(request)
    run = await amas.ended(process, run_id)
    assert (run.state, run.reason.message) == (
        run_pb2.RUN_STATE_CANCELLED,
        "developer cancelled the run: not needed",
    )
    assert not amas.fakes.effects


async def test_a_run_is_cancelled_in_the_middle_of_a_model_call(amas: Platform) -> None:
    """Cancelling does not wait for a model that thinks."""
    asked = asyncio.Event()

    async def brain(messages: list[dict[str, Any]]) -> dict[str, Any]:
        asked.set()
        await asyncio.sleep(3600)
        return {}

    amas.fakes.brain = brain
    process = await amas.start()
    await amas.apply(process)
    run_id = await amas.run(process, "sequence")
    await amas.until(asked.is_set, "the model call")
    await amas.stub(process).CancelRun(pb.CancelRunRequest(principal=DEVELOPER, run_id=run_id))
    run = await amas.ended(process, run_id)
    assert run.state == run_pb2.RUN_STATE_CANCELLED


def _writer(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Proposes one write, then is done."""
    if messages[-1]["role"] == "tool":
        return says({"text": messages[-1]["content"]})
    return calls(("notes__write", {"text": "hello"}))
