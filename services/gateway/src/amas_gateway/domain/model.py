"""What the gateway knows about what it carries: who asks, and the few fields it reads of what passes through.

Runs, approvals and resources belong to the services on the right. The gateway hands their messages on unopened, so the
Protocols here name only the fields that it must look at; they must never grow into a second model of those services.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Generic, Protocol, TypeVar

ItemT = TypeVar("ItemT")

# RunState values of amas.common.v1 after which nothing more happens; a test holds them against the contract.
TERMINAL_RUN_STATES = frozenset({4, 5, 6, 7})


@dataclass(frozen=True, slots=True)
class Principal:
    """The human or workload that a verified token named. Only the gateway makes one."""

    subject: str
    issuer: str
    tenant: str
    roles: frozenset[str]
    groups: tuple[str, ...] = ()
    # Seconds since the epoch at which the token ends; a stream opened with it ends then too.
    expires_at: float = 0.0
    # `kid` of the key that signed the token, so that a withdrawn key withdraws its tokens.
    key_id: str = ""
    # The application that the token was given to (RFC 9068 `client_id`).
    client_id: str = ""


class Run(Protocol):
    """A run, as the orchestrator tells it."""

    @property
    def id(self) -> str: ...
    @property
    def tenant(self) -> str: ...
    @property
    def requester(self) -> str: ...
    @property
    def state(self) -> int: ...


class RunEvent(Protocol):
    """One entry of a run's history; sequences start at 1 and have no gap."""

    @property
    def sequence(self) -> int: ...


class Approval(Protocol):
    """An approval, as the orchestrator tells it."""

    @property
    def id(self) -> str: ...
    @property
    def tenant(self) -> str: ...


class Revocation(Protocol):
    """A revocation, as the orchestrator tells it."""

    @property
    def id(self) -> str: ...
    @property
    def tenant(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Revocable:
    """Something of the tenant that can be revoked; `kind` is a RevocationKind of amas.common.v1."""

    kind: int
    name: str


@dataclass(frozen=True, slots=True)
class RevocationAnswer:
    """The revocation that was made or lifted, and whether it had been before."""

    revocation: Revocation
    existed: bool


class Resource(Protocol):
    """A resource of the tenant's active bundle."""

    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...


class Applied(Protocol):
    """What an apply did, or why it did nothing (`problems` not empty)."""

    @property
    def problems(self) -> Sequence[object]: ...


@dataclass(frozen=True, slots=True)
class Started:
    """A started run; `existed` when the idempotency key had started it before."""

    run: Run
    existed: bool


@dataclass(frozen=True, slots=True)
class Page(Generic[ItemT]):
    """One page of a list. An empty token means that there is no further page."""

    items: Sequence[ItemT]
    next_page_token: str = ""
    # Extra message that came with the page: the bundle, for resources.
    context: object | None = None


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Which page is asked for; size 0 leaves the size to the service."""

    size: int = 0
    token: str = ""


FIRST_PAGE = PageQuery()


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of resources, as the user wrote it."""

    name: str
    content: str


@dataclass(frozen=True, slots=True)
class ResourceRef:
    """Names one resource."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """An approver's answer, bound to the digest of the action that was shown."""

    approval_id: str
    approve: bool
    action_digest: str
    reason: str = ""
    # Digest of all that was shown; empty if the client does not say.
    rendering_digest: str = ""
    # Other arguments, to be approved in place of the proposed ones; empty: nothing is edited.
    edited_arguments_json: str = ""


@dataclass(frozen=True, slots=True)
class ActiveBundle:
    """The bundle that new work of a tenant runs under."""

    digest: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A model call from outside a run; `body` is the client's JSON, handed on untouched."""

    route: str
    body: bytes = field(repr=False)
    idempotency_key: str = ""
    # Ask a model even if a cache has the answer.
    no_cache: bool = False
    # Seconds that the client waits; None leaves it to the route.
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Billed:
    """What a model call used and cost; `amount` is a decimal number as text, never a float."""

    input_tokens: int = 0
    output_tokens: int = 0
    amount: str = ""
    currency: str = ""
    # The provider reported no usage, and the router counted.
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """How the router served a call."""

    call_id: str = ""
    provider: str = ""
    model: str = ""
    attempts: int = 0
    replayed: bool = False
    # `memo` or `semantic` if a cache answered.
    cache: str = ""
    # None where the router said nothing of it.
    billed: Billed | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole model answer: OpenAI response JSON and how it was served."""

    body: bytes = field(repr=False)
    report: Report = Report()


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece of a streamed answer: a chat.completion.chunk as JSON."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """Last part of a stream. `reason` is empty when it ended well."""

    report: Report = Report()
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model route that clients may name."""

    id: str
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """Which usage is asked for; times are RFC 3339 text or empty."""

    run_id: str = ""
    since: str = ""
    until: str = ""
    page: PageQuery = FIRST_PAGE


@dataclass(frozen=True, slots=True)
class BudgetQuery:
    """Which budgets are asked for; an empty name asks for all."""

    name: str = ""
    page: PageQuery = FIRST_PAGE


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which audit events are asked for; empty fields do not narrow."""

    run_id: str = ""
    trace_id: str = ""
    principal: str = ""
    type: str = ""
    role: str = ""
    tool: str = ""
    # Effect of a decision: allow, deny or escalate.
    decision: str = ""
    # Labelled at least so; numbers of amas.common.v1.
    confidentiality: int = 0
    # Labelled with all of these.
    categories: tuple[str, ...] = ()
    integrity: int = 0
    source: str = ""
    # RFC 3339, by the events' own times: since <= time < until.
    since: str = ""
    until: str = ""
    newest_first: bool = False
    # What users, models and tools said, too.
    contents: bool = False
    page: PageQuery = FIRST_PAGE

    def filters(self) -> dict[str, object]:
        """What narrows the query, for the record of who reads."""
        given = asdict(self)
        return {name: value for name, value in given.items() if name != "page" and value}


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was erased of the audit log, or would be."""

    keys: int
    contents: int
    # Events that say so; none where nothing was erased.
    event_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SubjectPage:
    """Runs that hold a subject's contents, and the keys of these contents."""

    runs: Sequence[object]
    next_page_token: str
    keys: Sequence[object]
    key_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed tree head (C2SP signed note) and the key that verifies it."""

    checkpoint: str
    verifier_key: str


@dataclass(frozen=True, slots=True)
class Denial:
    """An access that was refused. Holds no token and no claim that was not verified."""

    reason: str
    action: str
    tenant: str = ""
    principal: str = ""
    trace_id: str = ""
