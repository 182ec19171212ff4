"""Budget: what a tenant, a role or a principal may spend in a span of time. Hard: reserved before, settled after."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from amas_governance.admission import Rule, at_least_one
from amas_governance.quantities import Percent

from .manifest_fields import Manifest, Model, Money, Name

MAX_COST = 50_000_000
"""Counted exactly in hundred-millionths by a script whose numbers are doubles (2^53)."""

Subject = Annotated[str, Field(min_length=1, max_length=255)]


class BudgetSubject(Model):
    """Whose spending counts: all that is stated must hold.

    `client_id` is the token's (RFC 9068): what an application's own API key is elsewhere.
    """

    ADMISSION = (
        Rule(
            at_least_one("tenant", "role", "principal", "clientId"),
            "expected at least one of tenant, role, principal and clientId",
        ),
    )

    tenant: Name | None = None
    role: Name | None = None
    principal: Subject | None = None
    client_id: Subject | None = None

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.tenant is None and self.role is None and self.principal is None and self.client_id is None:
            raise ValueError("expected at least one of tenant, role, principal and clientId")
        return self


class BudgetSpec(Model):
    """The amounts. At least one of cost and tokens is bounded.

    `per` gives each run, role, principal or client of the subject such a budget of its own; a window of `run` does so
    for each run. Windows begin on the UTC hour, day, Monday and first of the month.
    """

    ADMISSION = (
        Rule(at_least_one("cost", "tokens"), "expected at least one of cost and tokens"),
        Rule(
            f"!has(self.cost) || double(self.cost.amount) <= {MAX_COST}.0",
            f"expected a cost of at most {MAX_COST}",
            ".cost",
        ),
    )

    subject: BudgetSubject
    per: Literal["run", "role", "principal", "clientId"] | None = None
    window: Literal["run", "hour", "day", "week", "month"]
    cost: Money | None = None
    tokens: Annotated[int, Field(ge=1, le=10**12)] | None = None
    alert_at: Annotated[tuple[Percent, ...], Field(max_length=8)] = ()

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if self.cost is None and self.tokens is None:
            raise ValueError("expected at least one of cost and tokens")
        if self.cost is not None and self.cost.amount > MAX_COST:
            raise ValueError(f"expected a cost of at most {MAX_COST}")
        return self


class Budget(Manifest):
    """A hard bound on spending."""

    KIND: ClassVar[str] = "Budget"

    kind: Literal["Budget"]
    spec: BudgetSpec
