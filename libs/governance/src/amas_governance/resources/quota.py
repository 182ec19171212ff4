"""Quota: what tool calls of a tenant, a role, a server or a tool may use. Hard: claimed before, settled after."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from amas_governance.admission import Rule, at_least_one, milliseconds, size_in_bytes
from amas_governance.problems import FieldPath
from amas_governance.quantities import Duration, RateLimit, Size

from .agent_role import ToolName
from .manifest_fields import Manifest, Model, Name, error_within

# All amounts are counted by a script whose numbers are doubles: exact up to 2^53.
MAX_CALLS = 1_000_000_000
MAX_BYTES = 2**40
MAX_SECONDS = 366 * 86_400.0
MIN_BYTES_IN = 4096
"""An answer is cut to what is left; less than this is not worth a call."""


def _within(field: str, least: int) -> str:
    """CEL: a size is in the range that is counted exactly."""
    size = size_in_bytes(f"self.{field}")
    return f"!has(self.{field}) || ({size} >= {least} && {size} <= {MAX_BYTES})"


class QuotaSubject(Model):
    """Whose calls count: all that is stated must hold. Tenants are counted apart whether or not one is stated."""

    ADMISSION = (
        Rule(
            at_least_one("tenant", "role", "server", "tool"), "expected at least one of tenant, role, server and tool"
        ),
        Rule(
            "!(has(self.server) && has(self.tool))",
            "expected one of server and tool: a tool names its server",
            ".server",
        ),
    )

    tenant: Name | None = None
    role: Name | None = None
    """Calls of this role, and those that others make because it delegated to them."""
    server: Name | None = None
    tool: ToolName | None = None

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.tenant is None and self.role is None and self.server is None and self.tool is None:
            raise ValueError("expected at least one of tenant, role, server and tool")
        if self.server is not None and self.tool is not None:
            raise error_within(("server",), "expected one of server and tool: a tool names its server")
        return self


class QuotaSpec(Model):
    """The amounts; at least one. Four of them are counted in `window`; `rate` and `concurrency` hold at any moment.

    `per` gives each run, role or tool of the subject such a quota of its own; a window of `run` does so for each run.
    Windows begin on the UTC minute, hour and day.
    """

    ADMISSION = (
        Rule(
            at_least_one("calls", "bytesIn", "bytesOut", "wallClock", "rate", "concurrency"),
            "expected at least one of calls, bytesIn, bytesOut, wallClock, rate and concurrency",
        ),
        Rule(
            f"has(self.window) || !({at_least_one('calls', 'bytesIn', 'bytesOut', 'wallClock')})",
            "expected a window (run, minute, hour or day), in which the amounts are counted",
            ".window",
        ),
        Rule(
            f"!has(self.window) || {at_least_one('calls', 'bytesIn', 'bytesOut', 'wallClock')}",
            "nothing is counted in it: rate and concurrency hold at any moment",
            ".window",
        ),
        Rule(_within("bytesIn", MIN_BYTES_IN), "expected 4Ki to 1024Gi", ".bytesIn"),
        Rule(_within("bytesOut", 1), "expected 1 to 1024Gi", ".bytesOut"),
        Rule(
            f"!has(self.wallClock) || {milliseconds('self.wallClock')} <= {int(MAX_SECONDS) * 1000}",
            "expected at most 366d",
            ".wallClock",
        ),
    )

    subject: QuotaSubject
    per: Literal["run", "role", "tool"] | None = None
    window: Literal["run", "minute", "hour", "day"] | None = None
    calls: Annotated[int, Field(ge=1, le=MAX_CALLS)] | None = None
    bytes_in: Size | None = None
    """Of what tools answer, as the agent gets it. As in a role's bounds, the directions are the agent's."""
    bytes_out: Size | None = None
    """Of arguments, as the tools get them."""
    wall_clock: Duration | None = None
    """Spent in tool calls."""
    rate: RateLimit | None = None
    concurrency: Annotated[int, Field(ge=1, le=4096)] | None = None

    @property
    def counted(self) -> tuple[float | None, ...]:
        """The amounts that a window holds for."""
        return (self.calls, self.bytes_in, self.bytes_out, self.wall_clock)

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        counts = any(amount is not None for amount in self.counted)
        if not counts and self.rate is None and self.concurrency is None:
            raise ValueError("expected at least one of calls, bytesIn, bytesOut, wallClock, rate and concurrency")
        if counts and self.window is None:
            raise ValueError("expected a window (run, minute, hour or day), in which the amounts are counted")
        if not counts and self.window is not None:
            raise error_within(("window",), "nothing is counted in it: rate and concurrency hold at any moment")
        return self

    @model_validator(mode="after")
    def _within_range(self) -> Self:
        ranges: tuple[tuple[FieldPath, float | None, float, float, str], ...] = (
            (("bytesIn",), self.bytes_in, MIN_BYTES_IN, MAX_BYTES, "4Ki to 1024Gi"),
            (("bytesOut",), self.bytes_out, 1, MAX_BYTES, "1 to 1024Gi"),
            (("wallClock",), self.wall_clock, 0, MAX_SECONDS, "at most 366d"),
        )
        for path, amount, least, most, words in ranges:
            if amount is not None and not least <= amount <= most:
                raise error_within(path, f"expected {words}")
        return self


class Quota(Manifest):
    """A hard bound on tool calls."""

    KIND: ClassVar[str] = "Quota"

    kind: Literal["Quota"]
    spec: QuotaSpec

    def covers(self, tenant: str, roles: tuple[str, ...], tool: str) -> bool:
        """Whether a call of `server/tool` counts; `roles` are those that delegated and the one that acts."""
        subject = self.spec.subject
        return (
            subject.tenant in (None, tenant)
            and (subject.role is None or subject.role in roles)
            and subject.server in (None, tool.partition("/")[0])
            and subject.tool in (None, tool)
        )
