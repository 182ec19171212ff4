"""The words of enforcement: who acts, what they want to do, what was decided, how it ended.

Wire types stay in entrypoints and adapters; everything here is frozen and knows no wire and no store.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from amas_governance.labels import Label
from amas_governance.pins import tool_list_pin
from amas_governance.provenance import TrustedValues


class Effect(enum.StrEnum):
    """What a decision says."""

    ALLOW = "allow"
    DENY = "deny"
    ESCALATE = "escalate"


class Outcome(enum.StrEnum):
    """How an enforced action ended."""

    NOT_CALLED = "not_called"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Principal:
    """Who asked, as the gateway took it from a verified token."""

    subject: str
    issuer: str
    tenant: str
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    # The application that the token was given to; empty if it named none.
    client_id: str = ""


@dataclass(frozen=True)
class ActionContext:
    """Who acts, where: the run, its step and turn, the role and those that delegated to it (outermost first).

    `trusted` holds the values in the context that stem from trusted input: what is left of trust in a tainted one.
    """

    principal: Principal
    bundle: str
    label: Label
    run_id: str = ""
    step: str = ""
    turn: int = 0
    orchestration: str = ""
    role: str = ""
    delegated_by: tuple[str, ...] = ()
    approvals_waiting: int | None = None
    """Approvals of the tenant that wait for people, as the orchestrator counts them; None: nobody said."""
    trusted: TrustedValues = TrustedValues.NONE


@dataclass(frozen=True)
class ToolAction:
    """A tool call that an agent proposes; `arguments_json` is untrusted text."""

    tool: str
    arguments_json: str

    @property
    def server(self) -> str:
        return self.tool.partition("/")[0]

    @property
    def name(self) -> str:
        return self.tool.partition("/")[2]


@dataclass(frozen=True)
class ModelAction:
    """A model call, by the name of its route."""

    route: str


@dataclass(frozen=True)
class DelegateAction:
    """A sub-task that an agent wants to hand to another role; `arguments_json` is untrusted text."""

    delegate: str
    arguments_json: str
    fencing_token: int = 0


@dataclass(frozen=True)
class AdminAction:
    """An act of administration: a verb, and the resources (kind and name) that it is done to."""

    verb: str
    resources: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Reason:
    """A stable code for machines, a sentence for people (never an argument's value)."""

    code: str
    message: str


@dataclass(frozen=True)
class EscalationRule:
    """Who may answer too, once an approval has waited for `after` seconds."""

    after: float
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Requirement:
    """Who must answer an escalation. Times are in seconds since the asking; `remind_after` None: never."""

    groups: tuple[str, ...]
    quorum: int
    four_eyes: bool
    expires_in: float
    remind_after: float | None = None
    escalate: tuple[EscalationRule, ...] = ()


@dataclass(frozen=True)
class ApprovalGrant:
    """What humans answered, as the orchestrator hands it over; nothing of it is believed before it is verified.

    `approver_groups` holds `name:group` for each approver and each of their groups.
    """

    approval_id: str
    action_digest: str
    bundle: str
    requester: str
    approvers: tuple[str, ...]
    approver_groups: frozenset[str]
    expires_at: datetime | None
    repeats_unknown_outcome: bool = False
    requested_at: datetime | None = None
    # When each of the approvers answered, in their order; empty where nobody said so.
    answered_at: tuple[datetime, ...] = ()


@dataclass(frozen=True)
class Decision:
    """One answer about one action under one bundle. `approval` is set exactly when the effect is escalate."""

    id: str
    effect: Effect
    bundle: str
    action_digest: str
    reasons: tuple[Reason, ...] = ()
    obligations: tuple[str, ...] = ()
    approval: Requirement | None = None


@dataclass(frozen=True)
class ToolDescription:
    """A tool as its live server describes it. `definition` is what a pin covers, verbatim."""

    name: str
    description: str
    input_schema: Mapping[str, Any]
    definition: Mapping[str, Any]


class ToolList(tuple[ToolDescription, ...]):
    """What a server offers, never changed; its pin is computed once, since every call asks for it."""

    @functools.cached_property
    def pin(self) -> str:
        """The pin of the list; raises ValueError if it cannot be pinned."""
        return tool_list_pin([tool.definition for tool in self])


@dataclass(frozen=True)
class ToolAnswer:
    """What a tool answered, before redaction: the text of its content blocks and its structured content."""

    text: str
    structured: Any
    is_error: bool


@dataclass(frozen=True)
class EnforceCommand:
    """One request to decide and, if allowed, to call."""

    context: ActionContext
    action: ToolAction
    idempotency_key: str
    fencing_token: int = 0
    approval: ApprovalGrant | None = None


@dataclass(frozen=True)
class CallResult:
    """What came back, after redaction and truncation. `duration` is in seconds.

    `trusted`: the tool is vouched for and was asked with trusted values alone, so the values in its answer are trusted
    too, even where the context, and with it the label, is not.
    """

    outcome: Outcome
    label: Label
    result_json: str = ""
    result_text: str = ""
    truncated: bool = False
    duration: float = 0.0
    trusted: bool = False


@dataclass(frozen=True)
class Enforced:
    """The whole answer: the decision, and the result if there was a call."""

    decision: Decision
    result: CallResult
    effect: str = ""
    idempotent: bool = False
    replayed: bool = False


@dataclass(frozen=True)
class GrantedTool:
    """A tool that a role may call, with the role's narrowing merged into its schema, for showing to a model."""

    name: str
    description: str
    arguments_schema: Mapping[str, Any]
    effect: str
    idempotent: bool


@dataclass(frozen=True)
class LiveServer:
    """What a live tool server offers (`offer`: verbatim), its pin, and the pin that the bundle accepted (or empty)."""

    tools: Sequence[GrantedTool]
    pin: str
    accepted_pin: str
    offer: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Event:
    """A record for audit. `data` becomes a JSON object; it holds no secret.

    `traceparent` names the trace that it belongs to, where that is not the current one.
    """

    id: str
    type: str
    time: datetime
    context: ActionContext
    role_version: str
    data: Mapping[str, Any] = field(default_factory=dict)
    traceparent: str = ""
