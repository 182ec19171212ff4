"""How much a role may do by itself: less as it fails more often than its objective allows."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from amas_governance.admission import Rule, milliseconds
from amas_governance.quantities import Duration, Percent

from .manifest_fields import Model

LONGEST_WINDOW = 30 * 24 * 3600.0


class Autonomy(Model):
    """The error budget of a role. As it burns, policy lets less happen without a human; as it recovers, more again."""

    ADMISSION = (
        Rule(
            f"!has(self.window) || ({milliseconds('self.window')} >= 24000 && "
            f"{milliseconds('self.window')} <= 2592000000)",
            "the window of autonomy is from 24 seconds to 30 days",
            ".window",
        ),
    )

    objective: Percent
    """Share of the role's actions that end well. What is missing to the whole is its error budget."""
    window: Duration = 24 * 3600.0
    """Seconds over which actions are counted."""
    volume: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    """Fewer actions within the window are reckoned as this many, so that a quiet role is not judged by one failure."""
    pending_approvals: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Approvals of the tenant that may wait for people at once; with more, actions that need one are denied."""

    @model_validator(mode="after")
    def _countable(self) -> Self:
        if not 24 <= self.window <= LONGEST_WINDOW:
            raise ValueError("the window of autonomy is from 24 seconds to 30 days")
        return self
