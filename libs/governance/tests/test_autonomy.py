"""Error budgets in contracts: coherent, or a precise error (invariant I11)."""

from __future__ import annotations

from typing import Any

import pytest
from amas_governance.resources import Autonomy
from pydantic import ValidationError


def test_defaults() -> None:
    """Only the objective must be said: a day, a hundred actions, and no bound on what waits for people."""
    autonomy = Autonomy.model_validate({"objective": "99%"})
    assert (autonomy.objective, autonomy.window, autonomy.volume) == (0.99, 86_400.0, 100)
    assert autonomy.pending_approvals is None


@pytest.mark.parametrize(
    "autonomy",
    [
        {},
        {"objective": 0.99},
        {"objective": "101%"},
        {"objective": "99%", "window": "1s"},
        {"objective": "99%", "window": "800h"},
        {"objective": "99%", "volume": 0},
        {"objective": "99%", "pendingApprovals": 0},
        {"objective": "99%", "level": "full"},
    ],
)
def test_what_cannot_be_counted_is_refused(autonomy: dict[str, Any]) -> None:
    """A window without room for its parts, an objective that is none, a level that only the platform sets."""
    with pytest.raises(ValidationError):
        Autonomy.model_validate(autonomy)
