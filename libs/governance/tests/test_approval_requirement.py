"""Approval requirements: reminders and escalation rules that cannot mean anything are refused when they are written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from amas_governance.describe import describe_approval
from amas_governance.resources import ApprovalRequirement
from pydantic import ValidationError

BASE: dict[str, Any] = {"from": ["support"], "expiresIn": "1h"}


def test_times_and_groups_are_read() -> None:
    """Durations become seconds; the description says who may answer when."""
    stated = {**BASE, "remindAfter": "10m", "escalate": [{"after": "15m", "to": ["leads"]}]}
    made = ApprovalRequirement.model_validate_json(json.dumps(stated))
    assert (made.remind_after, made.escalate[0].after, made.escalate[0].to) == (600.0, 900.0, ("leads",))
    said = describe_approval(made)
    assert "reminded after 10m" in said
    assert "after 15m leads may answer too" in said


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"remindAfter": "1h"}, "remindAfter must come before expiresIn"),
        ({"escalate": [{"after": "1h", "to": ["leads"]}]}, "escalate must come before expiresIn"),
        (
            {"escalate": [{"after": "20m", "to": ["leads"]}, {"after": "10m", "to": ["heads"]}]},
            "escalate must be in order",
        ),
        (
            {"escalate": [{"after": "10m", "to": ["leads"]}, {"after": "10m", "to": ["heads"]}]},
            "escalate must be in order",
        ),
        ({"escalate": [{"after": "10m", "to": ["support"]}]}, "support is asked twice"),
        ({"escalate": [{"after": "10m", "to": []}]}, "at least 1"),
        ({"escalate": [{"after": "10m", "to": ["leads"], "notify": "mail"}]}, "notify"),
    ],
)
def test_what_means_nothing_is_refused(changes: dict[str, Any], message: str) -> None:
    """I11: too late, out of order, empty or twice: the message says which."""
    with pytest.raises(ValidationError, match=message):
        ApprovalRequirement.model_validate_json(json.dumps({**BASE, **changes}))
