"""The verdict over a load finds each way in which a run can be lost or repeated."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .load.verdict import lost_or_repeated

RUN = "run-1"
TYPES = ("run.started", "action.intent", "action.outcome", "run.ended")


def record(*types: str, state: str = "succeeded") -> list[dict[str, Any]]:
    """Entries of one run with these types, numbered from 1."""
    data = {
        "action.intent": {"action": {"effect": "write", "idempotencyKey": "k"}},
        "action.outcome": {"action": {"effect": "write", "idempotencyKey": "k"}},
        "run.ended": {"state": state, "reason": None},
    }
    return [
        {
            "runSequence": str(number),
            "event": {"type": f"dev.amas.{one}", "runId": RUN, "dataJson": json.dumps(data.get(one, {}))},
        }
        for number, one in enumerate(types, 1)
    ]


def test_a_run_that_went_right_is_right():
    """One start, one end, one effect."""
    assert lost_or_repeated([RUN], record(*TYPES)) == []


@pytest.mark.parametrize(
    ("types", "said"),
    [
        ((), "0 events dev.amas.run.ended"),
        (TYPES[:3], "0 events dev.amas.run.ended"),
        ((*TYPES, "run.ended"), "2 events dev.amas.run.ended"),
        (("run.started", "run.ended"), "0 effects, not 1"),
        (("run.started", "action.intent", "run.ended"), "has no outcome"),
        (("run.started", "action.outcome", "run.ended"), "has no intent"),
        ((*TYPES[:3], "action.outcome", "run.ended"), "has 2 outcomes"),
    ],
)
def test_what_is_lost_or_repeated_is_told(types, said):
    """Each fault of the record is a sentence."""
    assert any(said in problem for problem in lost_or_repeated([RUN], record(*types)))


def test_a_gap_and_a_failure_are_told():
    """A missing event shows by its number, and a run that failed is not lost but not right either."""
    assert "numbered [1, 3, 4]" in lost_or_repeated([RUN], [record(*TYPES)[index] for index in (0, 2, 3)])[0]
    assert lost_or_repeated([RUN], record(*TYPES, state="failed"), may_fail=True) == []
    assert lost_or_repeated([RUN], record(*TYPES[:3], *TYPES[2:], state="failed"), may_fail=True)
    assert "ended as failed" in lost_or_repeated([RUN], record(*TYPES, state="failed"))[0]
