"""Runs on a real Postgres through the real process."""

from __future__ import annotations

import pytest
from amas.common.v1 import run_pb2

from .platform import Platform

pytestmark = pytest.mark.integration


async def test_a_sequence_runs_to_its_end(amas: Platform) -> None:
    """A run does its steps in order, and its end is on the record before anybody sees it."""
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
