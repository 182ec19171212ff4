"""The record: the intent before the call, the outcome before the answer, and each effect once (invariants I2, I4)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from amas_chassis.errors import AmasError
from amas_policy_sidecar.domain.errors import ToolFailed
from amas_policy_sidecar.domain.model import Effect, Outcome, ToolAnswer
from amas_policy_sidecar.usecases import record_outcome

from .world import World

INTENT, OUTCOME = "dev.amas.action.intent", "dev.amas.action.outcome"
READ = {"tool": "git/log", "arguments": "{}"}


async def test_the_intent_is_acknowledged_before_the_call_and_the_outcome_after() -> None:
    """I2: when the tool is called, its intent stands on the record; when the caller is answered, its outcome does."""
    world = World()
    seen: list[list[str]] = []
    world.tools.before = lambda: seen.append(list(world.audit.order))
    answer = await world.enforce(world.command())
    assert seen == [[INTENT]]
    assert world.audit.order == [INTENT, OUTCOME]
    assert answer.decision.effect is Effect.ALLOW
    assert answer.result.result_text == "done"
    assert world.audit.data(INTENT)["input"] == world.engine.documents[0]
    assert world.audit.data(OUTCOME)["text"] == "done"


async def test_without_audit_there_is_no_call() -> None:
    """I2: if the intent cannot be recorded, the tool is not called."""
    world = World()
    world.audit.away = {INTENT}
    with pytest.raises(AmasError) as error:
        await world.enforce(world.command())
    assert error.value.reason == "AUDIT_UNAVAILABLE"
    assert world.tools.calls == []


async def test_a_denial_that_cannot_be_recorded_is_an_error() -> None:
    """I2: refusals are on the record too, or the caller has to ask again."""
    world = World()
    world.audit.away = {"dev.amas.action.denied"}
    with pytest.raises(AmasError):
        await world.enforce(world.command(tool="git/push"))


async def test_an_outcome_that_cannot_be_recorded_is_held_for_the_key() -> None:
    """I2, I4: nobody gets the result before it is on the record, and the retry gets it without a second call."""
    world = World()
    world.audit.away = {OUTCOME}
    with pytest.raises(AmasError) as error:
        await world.enforce(world.command())
    assert error.value.reason == "AUDIT_UNAVAILABLE"
    world.audit.away = set()
    answer = await world.enforce(world.command())
    assert answer.result.outcome is Outcome.SUCCEEDED
    assert len(world.tools.calls) == 1
    assert world.audit.order == [INTENT, OUTCOME]


async def test_while_too_many_outcomes_wait_nothing_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """I2: nothing happens that could not be recorded: what is held is bounded."""
    monkeypatch.setattr(record_outcome, "MAX_HELD", 1)
    world = World()
    world.audit.away = {OUTCOME}
    for key in ("1", "2"):
        with pytest.raises(AmasError):
            await world.enforce(world.command(key=key))
    assert len(world.tools.calls) == 1


async def test_the_same_key_is_answered_again_without_a_call() -> None:
    """I4: a retry gets the recorded outcome, from memory or, in a new process, from the log."""
    world = World()
    world.tools.answer = ToolAnswer("done", {"commit": "abc"}, is_error=False)
    first = await world.enforce(world.command())
    again = await world.enforce(world.command())
    world.restart()
    after = await world.enforce(world.command())
    assert len(world.tools.calls) == 1
    assert not first.replayed
    assert again.replayed
    assert after.replayed
    assert first.result.result_json == again.result.result_json == after.result.result_json == '{"commit":"abc"}'
    assert first.decision.id == again.decision.id == after.decision.id
    assert first.result.label == after.result.label


async def test_a_recorded_outcome_is_answered_although_policy_would_refuse_now() -> None:
    """I4: what was done was done: a retry after a crash is not told that it was denied."""
    world = World()
    await world.enforce(world.command())
    world.restart()
    world.engine.answer = None
    answer = await world.enforce(world.command())
    assert answer.replayed
    assert answer.result.outcome is Outcome.SUCCEEDED


async def test_a_call_that_may_have_happened_is_not_repeated() -> None:
    """I4: killed between intent and outcome of a write, nobody knows how it ended: said so, not repeated."""
    world = World()
    world.audit.away = {OUTCOME}
    with pytest.raises(AmasError):
        await world.enforce(world.command())
    world.audit.away = set()
    world.restart()
    answer = await world.enforce(world.command())
    assert answer.result.outcome is Outcome.UNKNOWN
    assert answer.decision.effect is Effect.ALLOW
    assert len(world.tools.calls) == 1
    assert OUTCOME not in world.audit.order


async def test_a_read_is_repeated_after_a_crash() -> None:
    """I4: what does no harm twice is done again rather than asked about."""
    world = World()
    world.audit.away = {OUTCOME}
    with pytest.raises(AmasError):
        await world.enforce(world.command(**READ))
    world.audit.away = set()
    world.restart()
    answer = await world.enforce(world.command(**READ))
    assert answer.result.outcome is Outcome.SUCCEEDED
    assert len(world.tools.calls) == 2


async def test_an_intent_whose_acknowledgement_got_lost_is_recognised() -> None:
    """I4: the same process knows that it never called: no human is asked about a call that did not begin."""
    world = World()
    world.audit.loses_answer_of = {INTENT}
    with pytest.raises(AmasError):
        await world.enforce(world.command())
    assert world.tools.calls == []
    world.audit.loses_answer_of = set()
    world.clock.advance(1)
    answer = await world.enforce(world.command())
    assert answer.result.outcome is Outcome.SUCCEEDED
    assert len(world.tools.calls) == 1


async def test_an_outcome_whose_acknowledgement_got_lost_is_answered() -> None:
    """I2: committed is committed: the retry finds the outcome in the log and answers it."""
    world = World()
    world.audit.loses_answer_of = {OUTCOME}
    with pytest.raises(AmasError):
        await world.enforce(world.command())
    world.audit.loses_answer_of = set()
    answer = await world.enforce(world.command())
    assert answer.result.outcome is Outcome.SUCCEEDED
    assert len(world.tools.calls) == 1


async def test_concurrent_requests_with_one_key_are_one_call() -> None:
    """I4: an executor that was taken over and its successor ask with the same key: one call, one answer."""
    world = World()
    world.tools.gate = asyncio.Event()
    asked = [asyncio.create_task(world.enforce(world.command())) for _ in range(3)]
    await world.tools.begun.wait()
    world.tools.gate.set()
    answers = await asyncio.gather(*asked)
    assert len(world.tools.calls) == 1
    assert len({answer.decision.id for answer in answers}) == 1


async def test_a_caller_that_goes_away_does_not_end_the_call() -> None:
    """I2: an effect that has begun gets its outcome on the record, whoever still waits; the drain waits for it."""
    world = World()
    world.tools.gate = asyncio.Event()
    caller = asyncio.create_task(world.enforce(world.command()))
    await world.tools.begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    world.tools.gate.set()
    await world.attempts.drain()
    assert world.audit.order == [INTENT, OUTCOME]


@pytest.mark.parametrize("restart", [False, True])
async def test_a_key_serves_one_action_only(restart: bool) -> None:
    """I4: a key that was used for other arguments is refused, whether this process or the log remembers."""
    world = World()
    await world.enforce(world.command())
    if restart:
        world.restart()
    with pytest.raises(AmasError) as error:
        await world.enforce(world.command(arguments='{"message":"docs: other"}'))
    assert error.value.reason == "IDEMPOTENCY_KEY_REUSED"
    assert len(world.tools.calls) == 1


@pytest.mark.parametrize("restart", [False, True])
async def test_a_key_of_another_tenant_is_another_key(restart: bool) -> None:
    """I8: neither memory nor the log answers one tenant with what another one did."""
    world = World()
    await world.enforce(world.command())
    if restart:
        world.restart()
    world.tools.answer = ToolAnswer("other", None, is_error=False)
    principal = replace(world.context().principal, tenant="globex")
    answer = await world.enforce(world.command(principal=principal))
    assert (answer.result.result_text, answer.replayed) == ("other", False)


async def test_a_late_executor_can_do_nothing() -> None:
    """I4: an executor that was taken over is fenced off before the call."""
    world = World()
    world.audit.fence = 7
    with pytest.raises(AmasError) as error:
        await world.enforce(world.command(fencing_token=6))
    assert error.value.reason == "FENCED"
    assert world.tools.calls == []


async def test_an_outcome_is_recorded_although_the_run_was_taken_over() -> None:
    """I2: what has happened is on the record, also when another executor went on in the meantime."""
    world = World()

    def taken_over() -> None:
        world.audit.fence = 7

    world.tools.before = taken_over
    await world.enforce(world.command(fencing_token=6))
    assert world.audit.order == [INTENT, OUTCOME]


class TestToolFailures:
    """How a tool fails decides what is said of it, never that nothing happened."""

    async def test_a_write_that_broke_off_is_unknown(self) -> None:
        """I4: the request had reached the tool: neither repeated nor taken for failed, and recorded so."""
        world = World()
        world.tools.failures = [ToolFailed("TOOL_SERVER_UNAVAILABLE", "it died", sent=True)]
        answer = await world.enforce(world.command())
        assert answer.result.outcome is Outcome.UNKNOWN
        assert len(world.tools.calls) == 1
        assert world.audit.data(OUTCOME)["outcome"] == "unknown"

    async def test_a_write_that_was_never_sent_is_tried_again(self) -> None:
        """A server that had just died is restarted: the request had not left."""
        world = World()
        world.tools.failures = [ToolFailed("TOOL_SERVER_UNAVAILABLE", "it is down", sent=False)]
        answer = await world.enforce(world.command())
        assert answer.result.outcome is Outcome.SUCCEEDED

    async def test_a_read_is_tried_once_more(self) -> None:
        """Bounded: twice at most, then the failure is the result."""
        world = World()
        world.tools.failures = [ToolFailed("TOOL_SERVER_UNAVAILABLE", "it died", sent=True)] * 5
        answer = await world.enforce(world.command(**READ))
        assert answer.result.outcome is Outcome.FAILED
        assert answer.result.result_text.startswith("TOOL_SERVER_UNAVAILABLE")
        assert len(world.tools.calls) == 2

    async def test_a_read_that_timed_out_failed(self) -> None:
        """A time-out of a read is an answer for the model, not a question for a human."""
        world = World()
        world.tools.failures = [ToolFailed("TOOL_TIMEOUT", "too late", sent=True)]
        answer = await world.enforce(world.command(**READ))
        assert answer.result.outcome is Outcome.FAILED
        assert len(world.tools.calls) == 1

    async def test_an_error_of_the_tool_is_a_failed_outcome(self) -> None:
        """The model reads what went wrong."""
        world = World()
        world.tools.answer = ToolAnswer("nothing to commit", None, is_error=True)
        answer = await world.enforce(world.command())
        assert answer.result.outcome is Outcome.FAILED
        assert answer.result.result_text == "nothing to commit"
