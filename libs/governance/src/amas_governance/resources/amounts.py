"""How much of an amount among a tool's arguments a role may move: without a human, and at all."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from amas_governance.admission import Rule, at_least_one

from .manifest_fields import Model

Limit = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False, strict=False)]

# A decimal number as text, such as money has it.
_DECIMAL = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,9})?", re.ASCII)


class AmountBound(Model):
    """Bounds of one argument; its sign does not count, since money that flows back is money too."""

    ADMISSION = (
        Rule(at_least_one("escalateAbove", "denyAbove"), "a bound states escalateAbove, denyAbove, or both"),
        Rule(
            "!(has(self.escalateAbove) && has(self.denyAbove)) || self.escalateAbove <= self.denyAbove",
            "escalateAbove is higher than denyAbove",
            ".escalateAbove",
        ),
    )

    argument: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$", max_length=255)]
    """Name of the argument; within an object, names joined by dots."""
    escalate_above: Limit | None = None
    """Above this, a human is asked."""
    deny_above: Limit | None = None
    """Above this, nobody is asked."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.escalate_above is None and self.deny_above is None:
            raise ValueError("a bound states escalateAbove, denyAbove, or both")
        if self.escalate_above is not None and self.deny_above is not None and self.escalate_above > self.deny_above:
            raise ValueError("escalateAbove is higher than denyAbove")
        return self

    def size(self, arguments: Mapping[str, Any]) -> int | float | None:
        """The size of the amount in a call's arguments; None where there is none, or nothing that is a number."""
        value: Any = arguments
        for name in self.argument.split("."):
            if not isinstance(value, Mapping) or name not in value:
                return None
            value = value[name]
        if isinstance(value, str) and _DECIMAL.fullmatch(value):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return None
        return abs(value)
