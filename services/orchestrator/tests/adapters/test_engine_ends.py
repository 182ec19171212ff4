"""What the durable engine says while it is taken down is no outcome of a run."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from amas_chassis.clock import ManualClock
from amas_orchestrator.adapters.dbos_engine import DbosEngine, DbosWorkflow, EngineLimits
from amas_orchestrator.adapters.step_gate import StepGate
from dbos import DBOS


class DisposedError(Exception):
    """A connection or thread of the engine that is gone already."""


@pytest.fixture
def gate() -> StepGate:
    """Open for a minute."""
    made = StepGate(ManualClock(datetime(2026, 11, 29, tzinfo=UTC)))
    made.renewed(0.0, 60.0)
    return made


@pytest.fixture
def workflow(gate: StepGate) -> DbosWorkflow:
    """Of an engine that was never launched."""
    return DbosWorkflow(DbosEngine("postgresql://", "dbos", "one", gate, EngineLimits(1, 1, 1.0)), "run-1", "")


@pytest.fixture(params=["step", "receive", "spawn"])
def asked(request: pytest.FixtureRequest, workflow: DbosWorkflow, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Each question to the engine, whose answer is its own end, and the event that lets that come."""
    came = asyncio.Event()

    async def ends(*_: object) -> str:
        await came.wait()
        raise DisposedError

    async def body() -> dict[str, Any]:
        return {}

    monkeypatch.setattr(DBOS, "run_step_async", ends)
    monkeypatch.setattr(DBOS, "recv_async", ends)
    monkeypatch.setattr(DbosEngine, "run_beside", ends)
    questions = {
        "step": lambda: workflow.step("end", body),
        "receive": lambda: workflow.receive("answers", 1.0),
        "spawn": lambda: workflow.spawn("a", {}),
    }
    return questions[request.param], came


async def test_an_engine_that_is_taken_down_ends_no_run(
    gate: StepGate, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another takes the run over; here its workflow never hears of it, so that nothing of it goes on record."""
    question, came = asked
    waiting = asyncio.ensure_future(question())
    await asyncio.wait([waiting], timeout=0)
    gate.drain()
    held = asyncio.Event()

    async def hold() -> None:
        held.set()
        await StepGate.enter(gate)

    monkeypatch.setattr(gate, "enter", hold)
    came.set()
    at_the_gate = asyncio.ensure_future(held.wait())
    await asyncio.wait([waiting, at_the_gate], return_when=asyncio.FIRST_COMPLETED)
    assert (at_the_gate.done(), waiting.done()) == (True, False), "the end of the engine became one of the run"
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_an_engine_that_fails_in_the_middle_of_work_is_heard(asked: Any) -> None:
    """Else a run would hang for ever."""
    question, came = asked
    came.set()
    with pytest.raises(DisposedError):
        await question()
