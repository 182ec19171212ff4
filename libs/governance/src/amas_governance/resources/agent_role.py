"""AgentRole: the contract of one agent. What is not in it, the agent may not do."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from amas_governance import schema_keywords
from amas_governance.admission import OPEN_OBJECT, Rule, each_once, milliseconds, pattern
from amas_governance.extraction import FROM_TRUSTED, NotConstrained, check_constrained, uses_keyword
from amas_governance.labels import Confidentiality
from amas_governance.problems import FieldPath
from amas_governance.quantities import Duration, Size

from .amounts import AmountBound
from .autonomy import Autonomy
from .dlp_rules import DlpRules
from .manifest_fields import (
    MAX_ITEMS,
    Categories,
    ConfidentialityLevel,
    Manifest,
    Model,
    Money,
    Name,
    Schema,
    Semver,
    Sentence,
    Text,
    checked_schema,
    error_within,
)

_NOT_SELF_CONTAINED = {
    "$ref": "write the schema out",
    "$dynamicRef": "write the schema out",
    "$defs": "nothing could refer to it",
}


def _self_contained(schema: dict[str, object]) -> dict[str, object]:
    """A grant's schema is placed inside the tool's, where a `$ref` to its own root would point elsewhere."""
    pending: list[tuple[object, FieldPath]] = [(schema, ())]
    while pending:
        value, path = pending.pop()
        if isinstance(value, dict):
            for key, instead in _NOT_SELF_CONTAINED.items():
                if key in value:
                    raise error_within((*path, key), f"the arguments of a grant may not use {key}: {instead}")
            pending.extend((child, (*path, str(key))) for key, child in value.items())
        elif isinstance(value, list):
            pending.extend((child, (*path, index)) for index, child in enumerate(value))
    if schema.get("type", "object") != "object":
        raise ValueError("the arguments of a tool are an object: expected `type: object` or no type")
    return schema


_TOOL_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?/[A-Za-z0-9_.-]{1,128}")


def _tool_name(value: str) -> str:
    if _TOOL_NAME.fullmatch(value) is None:
        raise ValueError("expected the tool server and the tool, such as git/git_commit")
    return value


def _known_keywords(schema: dict[str, object]) -> dict[str, object]:
    """JSON Schema ignores what it does not know; in a contract a misspelt keyword would narrow nothing."""
    unknown = schema_keywords.unknown(schema)
    if unknown is not None:
        raise error_within(*unknown)
    return schema


ToolName = Annotated[str, AfterValidator(_tool_name), pattern(_TOOL_NAME.pattern, longest=192)]
"""`server/tool`."""
GrantSchema = Annotated[
    dict[str, Any],
    AfterValidator(_self_contained),
    AfterValidator(checked_schema),
    AfterValidator(_known_keywords),
    WithJsonSchema(
        {
            **OPEN_OBJECT,
            "properties": {"type": {"type": "string", "enum": ["object"]}},
            "not": {"anyOf": [{"required": [keyword]} for keyword in _NOT_SELF_CONTAINED]},
        }
    ),
]
Group = Annotated[str, Field(min_length=1, max_length=255)]
UntrustedStance = Literal["deny", "escalate", "trustedArguments", "allow"]
"""Strictest first."""


class ModelUse(Model):
    """Which route answers for this role, and how freely."""

    route: Name
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    audit: Literal["digest", "content"] = "digest"
    """What the audit log keeps of a model call: digests of what was asked and answered, or the contents."""


class EscalationRule(Model):
    """Who may answer too, once an approval has waited for `after` seconds."""

    after: Duration
    to: Annotated[tuple[Group, ...], Field(min_length=1, max_length=32)]


class ApprovalRequirement(Model):
    """Who must agree before the action is done. Times are seconds since the asking; no answer in time is a denial."""

    ADMISSION = (
        Rule(
            f"!has(self.remindAfter) || {milliseconds('self.remindAfter')} < {milliseconds('self.expiresIn', '1h')}",
            "remindAfter must come before expiresIn",
            ".remindAfter",
        ),
        Rule(
            f"!has(self.escalate) || (self.escalate.map(e, {milliseconds('e.after')}).isSorted() && "
            f"{each_once('self.escalate', 'a.after == b.after')})",
            "escalate must be in order, each rule after a longer time",
            ".escalate",
        ),
        Rule(
            f"!has(self.escalate) || "
            f"self.escalate.all(e, {milliseconds('e.after')} < {milliseconds('self.expiresIn', '1h')})",
            "escalate must come before expiresIn: nobody could answer any more",
            ".escalate",
        ),
    )

    from_: Annotated[tuple[Group, ...], Field(alias="from", min_length=1, max_length=32)]
    quorum: Annotated[int, Field(ge=1, le=32)] = 1
    four_eyes: bool = True
    expires_in: Duration = 3600.0
    remind_after: Duration | None = None
    """When those who may answer are told once more."""
    escalate: Annotated[tuple[EscalationRule, ...], Field(max_length=8)] = ()

    @model_validator(mode="after")
    def _in_order_and_in_time(self) -> Self:
        if self.remind_after is not None and self.remind_after >= self.expires_in:
            raise ValueError("remindAfter must come before expiresIn")
        times = [rule.after for rule in self.escalate]
        if times != sorted(set(times)):
            raise ValueError("escalate must be in order, each rule after a longer time")
        if times and times[-1] >= self.expires_in:
            raise ValueError("escalate must come before expiresIn: nobody could answer any more")
        groups = [*self.from_, *(group for rule in self.escalate for group in rule.to)]
        twice = sorted({group for group in groups if groups.count(group) > 1})
        if twice:
            raise ValueError(f"{twice[0]} is asked twice")
        return self


class ToolLimits(Model):
    """Bounds of one tool for one role in one run; None: only the role's bounds hold.

    A call beyond is refused and the agent told so, whatever `onBound` says: no human can lift it within a run.
    """

    calls: Annotated[int, Field(ge=1, le=10_000)] | None = None


class ToolGrant(Model):
    """One tool that the role may call, narrowed."""

    name: ToolName
    arguments: GrantSchema | None = None
    approval: ApprovalRequirement | None = None
    limits: ToolLimits = Field(default_factory=ToolLimits)
    untrusted: UntrustedStance = "trustedArguments"
    """What happens when the agent has seen untrusted content and the tool has an effect (invariant I6): with
    `trustedArguments` it is called if every sensitive argument stems from trusted input, else a human is asked."""
    amounts: Annotated[tuple[AmountBound, ...], Field(max_length=16)] = ()
    """Amounts among the arguments, and how high they may be."""
    dlp: DlpRules = Field(default_factory=DlpRules)
    """Sensitive data in this tool's arguments; goes before the role's own rules."""

    @property
    def server(self) -> str:
        """Name of the ToolServer."""
        return self.name.partition("/")[0]

    @property
    def tool(self) -> str:
        """Name of the tool at its server."""
        return self.name.partition("/")[2]


class Bounds(Model):
    """What one step of this role may use at most (seconds, bytes, tokens); none is endless."""

    steps: Annotated[int, Field(ge=1, le=1000)] = 16
    model_calls: Annotated[int, Field(ge=1, le=1000)] = 16
    tokens: Annotated[int, Field(ge=1, le=100_000_000)] = 100_000
    cost: Money = Field(default_factory=lambda: Money(amount=Decimal(1), currency="USD"))
    wall_clock: Duration = 600.0
    bytes_in: Size = 1024 * 1024
    bytes_out: Size = 64 * 1024
    repairs: Annotated[int, Field(ge=0, le=10)] = 2


class DataAccess(Model):
    """The highest confidentiality and the categories that the role may see."""

    clearance: ConfidentialityLevel = Confidentiality.INTERNAL
    categories: Categories = ()
    extraction: Literal["constrained"] | None = None
    """With `constrained` the output is trusted although the role read untrusted content: its schema has nothing but
    enumerations, bounded whole numbers, booleans, dates, and identifiers from trusted input, of at most 256 bits.
    """
    dlp: DlpRules = Field(default_factory=DlpRules)
    """Sensitive data in the arguments of any tool."""
    uncleared: Literal["redact", "pseudonymise"] = "redact"
    """What happens to data of other categories that a tool's answer holds."""


class Deprecation(Model):
    """The role should not be used any more. Runs in flight go on, since they are pinned to their bundle."""

    ADMISSION = (
        Rule(
            "!has(self.removal) || self.removal >= self.since",
            "the removal is before the day of the deprecation",
            ".removal",
        ),
    )

    since: date
    removal: date | None = None
    """From this day on (UTC) no new run may use the role; absent: it may be used until further notice."""
    message: Sentence
    """Why, and what to do instead."""
    replaced_by: Name | None = None
    """The role to use instead."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.removal is not None and self.removal < self.since:
            raise ValueError("the removal is before the day of the deprecation")
        return self

    def removed(self, today: date) -> bool:
        """Whether new runs may not use the role any more."""
        return self.removal is not None and today >= self.removal


class AgentRoleSpec(Model):
    """The contract itself."""

    ADMISSION = (
        Rule(f"!has(self.tools) || {each_once('self.tools', 'a.name == b.name')}", "a tool appears twice", ".tools"),
        Rule(f"!has(self.delegates) || {each_once('self.delegates')}", "a role appears twice", ".delegates"),
    )

    version: Semver
    purpose: Sentence
    model: ModelUse
    instructions: Text
    input: Schema
    output: Schema
    tools: Annotated[tuple[ToolGrant, ...], Field(max_length=MAX_ITEMS)] = ()
    bounds: Bounds = Field(default_factory=Bounds)
    on_bound: Literal["fail", "escalate"] = "fail"
    data: DataAccess = Field(default_factory=DataAccess)
    delegates: Annotated[tuple[Name, ...], Field(max_length=32)] = ()
    autonomy: Autonomy | None = None
    """How often its actions may end badly before less of them happens without a human; absent: not governed so."""
    deprecated: Deprecation | None = None

    @model_validator(mode="after")
    def _granted_once(self) -> Self:
        for what, names in (("tools", [grant.name for grant in self.tools]), ("delegates", list(self.delegates))):
            for index, name in enumerate(names):
                if name in names[:index]:
                    field = (what, index, "name") if what == "tools" else (what, index)
                    raise error_within(field, f"{name} appears twice in {what}")
        return self

    @model_validator(mode="after")
    def _constrained(self) -> Self:
        schema = self.output.schema_
        if self.data.extraction is None:
            if uses_keyword(schema):
                raise error_within(("data",), f"{FROM_TRUSTED} in the output needs data.extraction: constrained")
            return self
        try:
            check_constrained(schema)
        except NotConstrained as refused:
            path: FieldPath = ("output", "schema", *refused.path)
            raise error_within(path, f"the output is no constrained extraction: {refused}") from refused
        return self

    def grant(self, tool: str) -> ToolGrant | None:
        """The grant of `server/tool`, or None if the contract does not name it."""
        return next((grant for grant in self.tools if grant.name == tool), None)


class AgentRole(Manifest):
    """A versioned contract of an agent."""

    KIND: ClassVar[str] = "AgentRole"

    kind: Literal["AgentRole"]
    spec: AgentRoleSpec
