"""Processes that die, stop or restart in the middle of runs (invariant I4)."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Any

import pytest
from amas.common.v1 import identity_pb2, run_pb2
from amas.orchestrator.v1 import orchestrator_pb2 as pb
from amas.policy.v1 import policy_pb2
from amas_cli.local.embedded_postgres import EmbeddedPostgres

from .fake_services import calls, echo, says
from .platform import HELD_SECONDS, Platform

# Processes have bounds of their own; a hang of one of them is told by those.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

# The durable engine asks for its database after pauses that double up to 90 s, however soon that is back.
DATABASE_BACK_SECONDS = 180.0


async def test_a_killed_process_is_followed_by_one_that_goes_on(amas: Platform) -> None:
    """After kill -9 in the second step, a new process goes on there: no step that completed runs again."""
    stuck = asyncio.Event()

    async def brain(messages: list[dict[str, Any]]) -> dict[str, Any]:
        if json.loads(messages[1]["content"])["topic"] == "a!" and not stuck.is_set():
            stuck.set()
            await asyncio.sleep(3600)
        return echo(messages)

    amas.fakes.brain = brain
    first = await amas.start()
    await amas.apply(first)
    run_id = await amas.run(first, "sequence")
    await amas.until(stuck.is_set, "the second step")
    await first.kill()
    second = await amas.start()
    run = await amas.ended(second, run_id)
    assert (run.state, run.output_json) == (run_pb2.RUN_STATE_SUCCEEDED, '"a!!!"'), run
    assert amas.fakes.model_calls == [f"{run_id}/first/0", f"{run_id}/second/0", f"{run_id}/third/0"]
    types = amas.fakes.event_types(run_id)
    assert types.count("step.started") == types.count("step.ended") == 3
    assert types.count("run.taken_over") == 1
    events = await amas.events(second, run_id)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert sum(event.HasField("run_taken_over") for event in events) == 1


async def test_a_late_executor_can_do_nothing(amas: Platform) -> None:
    """A process that was stopped, taken over and woken again does no effect and leaves by itself."""
    reached, release = asyncio.Event(), asyncio.Event()

    async def delay(request: policy_pb2.EnforceRequest) -> None:
        if request.fencing_token == 1:
            reached.set()
            await release.wait()

    amas.fakes.tool_delay = delay
    amas.fakes.brain = _reader_then_writer
    late = await amas.start()
    await amas.apply(late)
    run_id = await amas.run(late, "single")
    await amas.until(reached.is_set, "the effect of the first executor")
    late.signal(signal.SIGSTOP)
    other = await amas.start()
    approval = await amas.approval(other, run_id)
    late.signal(signal.SIGCONT)
    release.set()
    assert await late.wait() == 1
    await amas.decide(other, approval, approve=True)
    run = await amas.ended(other, run_id)
    assert run.state == run_pb2.RUN_STATE_SUCCEEDED, run
    assert len([key for key in amas.fakes.effects if "approved" in key]) == 1
    events = await amas.events(other, run_id)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))


async def test_a_waiting_approval_survives_a_restart(amas: Platform) -> None:
    """A run that waits for a human is handed over on SIGTERM at once, and the answer reaches it."""
    amas.fakes.brain = _reader_then_writer
    first = await amas.start(LEASE_SECONDS=HELD_SECONDS)
    await amas.apply(first)
    run_id = await amas.run(first, "single")
    approval = await amas.approval(first, run_id)
    first.signal(signal.SIGTERM)
    assert await first.wait() == 0
    second = await amas.start(LEASE_SECONDS=HELD_SECONDS)
    await amas.decide(second, approval, approve=True)
    run = await amas.ended(second, run_id)
    assert run.state == run_pb2.RUN_STATE_SUCCEEDED, run
    assert len([key for key in amas.fakes.effects if "approved" in key]) == 1


async def test_a_reminder_and_an_escalation_survive_a_kill(amas: Platform) -> None:
    """Whoever lives tells what is due, once; the group that was reached may answer, and the approval is used."""
    amas.fakes.brain = _reader_then_writer
    amas.fakes.escalate_after = (0.5, 1.0)
    first = await amas.start()
    await amas.apply(first)
    run_id = await amas.run(first, "single")
    approval = await amas.approval(first, run_id)
    await first.kill()
    # The third must not take a second for dead that a busy machine kept from renewing its lease.
    second, third = await amas.start(), await amas.start(LEASE_SECONDS=HELD_SECONDS)
    # Not the record, which has it first: the run could end before it is told to who watches.
    await amas.told(third, run_id, "approval_escalated")
    auditor = identity_pb2.Principal(
        subject="auditor", issuer="https://issuer", tenant="acme", roles=["approver"], groups=["auditors"]
    )
    request = pb.DecideApprovalRequest(
        principal=auditor, approval_id=approval.id, approve=True, action_digest=approval.action_digest
    )
    await amas.stub(third).DecideApproval(request)
    run = await amas.ended(second, run_id)
    assert run.state == run_pb2.RUN_STATE_SUCCEEDED, run
    types = amas.fakes.event_types(run_id)
    assert (types.count("approval.reminded"), types.count("approval.escalated")) == (1, 1)
    events = await amas.events(second, run_id)
    assert sum(event.HasField("approval_escalated") for event in events) == 1
    grant = amas.fakes.enforced[-1].approval
    waited = grant.answered_at[0].ToDatetime() - grant.requested_at.ToDatetime()
    assert waited.total_seconds() >= 1.0


async def test_parallel_steps_survive_a_kill(amas: Platform) -> None:
    """A run whose steps are workflows of their own goes on with all of them."""
    stuck = asyncio.Event()

    async def brain(messages: list[dict[str, Any]]) -> dict[str, Any]:
        if json.loads(messages[1]["content"])["topic"] == "a!" and not stuck.is_set():
            stuck.set()
            await asyncio.sleep(3600)
        return echo(messages)

    amas.fakes.brain = brain
    first = await amas.start()
    await amas.apply(first)
    run_id = await amas.run(first, "diamond")
    await amas.until(stuck.is_set, "one side of the diamond")
    await first.kill()
    second = await amas.start()
    run = await amas.ended(second, run_id)
    assert (run.state, run.output_json) == (run_pb2.RUN_STATE_SUCCEEDED, '"a!!+a!!!"'), run
    assert sorted(amas.fakes.model_calls) == sorted(f"{run_id}/{step}/0" for step in ("top", "left", "right", "bottom"))


def _reader_then_writer(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Reads, then proposes a write, then is done."""
    results = [message for message in messages if message["role"] == "tool"]
    if not results:
        return calls(("notes__read", {"text": "x"}))
    if len(results) == 1:
        return calls(("notes__write", {"text": "hello"}))
    return says({"text": results[-1]["content"]})


async def test_a_run_outlives_its_database(amas_apart: Platform, own_postgres: EmbeddedPostgres) -> None:
    """Postgres goes away in the middle of a run and comes back: the same process goes on, and nothing is done twice."""
    asked, restarted = asyncio.Event(), asyncio.Event()

    async def brain(messages: list[dict[str, Any]]) -> dict[str, Any]:
        if json.loads(messages[1]["content"])["topic"] == "a!":
            asked.set()
            await restarted.wait()
        return echo(messages)

    amas_apart.fakes.brain = brain
    process = await amas_apart.start()
    await amas_apart.apply(process)
    run_id = await amas_apart.run(process, "sequence")
    await amas_apart.until(asked.is_set, "the second step")
    await asyncio.to_thread(own_postgres.stop)
    restarted.set()
    await asyncio.to_thread(own_postgres.start)
    run = await amas_apart.ended(process, run_id, DATABASE_BACK_SECONDS)
    assert run.state == run_pb2.RUN_STATE_SUCCEEDED, run
    assert len(amas_apart.fakes.model_calls) == 3
    again = await amas_apart.ended(process, await amas_apart.run(process, "sequence"))
    assert again.state == run_pb2.RUN_STATE_SUCCEEDED


async def test_a_run_waits_for_neighbours_that_are_away(amas: Platform) -> None:
    """While audit, policy or router cannot be reached a run waits; it goes on when they are back."""
    process = await amas.start()
    await amas.apply(process)
    await amas.stop_neighbours()
    run_id = await amas.run(process, "sequence")
    waits = 'amas_orchestrator_dependency_waits_total{dependency="audit"}'
    await amas.until(lambda: amas.metric(process, waits), "a wait for audit")
    assert (await amas.get(process, run_id)).state == run_pb2.RUN_STATE_RUNNING
    await amas.start_neighbours()
    run = await amas.ended(process, run_id)
    assert run.state == run_pb2.RUN_STATE_SUCCEEDED, run
