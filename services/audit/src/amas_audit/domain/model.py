"""What the log holds and answers, in the service's own words."""

from __future__ import annotations

from dataclasses import dataclass, field

from amas_audit.domain.contents import Content, Opened, Sealed


@dataclass(frozen=True, slots=True)
class Label:
    """What an event's data carries about itself, in the words of resources; empty text means "not said"."""

    confidentiality: str = ""
    # Sorted, without doubles.
    categories: tuple[str, ...] = ()
    integrity: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """An event as its sender states it. Empty text means "not said"."""

    id: str
    type: str
    # RFC 3339, UTC, ends with Z; 0, 3, 6 or 9 digits of a second (the JSON form of a protobuf Timestamp).
    time: str
    tenant: str
    run_id: str = ""
    step: str = ""
    trace_id: str = ""
    span_id: str = ""
    principal: str = ""
    role: str = ""
    role_version: str = ""
    bundle: str = ""
    # Canonical JSON (RFC 8785) of an object.
    data: bytes = b"{}"
    label: Label | None = None
    # As they were sent; the log keeps them apart, so that an event out of the log has none.
    contents: tuple[Content, ...] = ()
    # As the leaf has them, by rising name; an event on its way into the log has none.
    sealed: tuple[Sealed, ...] = ()


@dataclass(frozen=True, slots=True)
class Described:
    """What the index has to know of an entry. `time` is in nanoseconds since 1970."""

    tenant: str
    facets: tuple[str, ...]
    time: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """What can be said of an event before it has its place: its description, and its leaf but for what the place says.

    The leaf is `head`, the member `contents` if there is one, `body`, the position in the run, and `tail`.
    """

    described: Described
    head: bytes
    body: bytes
    tail: bytes


@dataclass(frozen=True, slots=True)
class Submission:
    """What one Append asks for: all of it is appended, or nothing."""

    events: tuple[Event, ...]
    # Service that sent it, from its certificate.
    source: str
    # 0: none was given.
    fencing_token: int = 0
    # Length of all events as bytes, for the bounds of a group.
    size: int = 0
    # Of the events, in their order, once it was prepared (`domain/preparing.py`).
    prepared: tuple[Prepared, ...] = ()


@dataclass(frozen=True, slots=True)
class Appended:
    """Where an event stands in the log."""

    id: str
    index: int
    # From 1 without a gap within a run; 0 without a run.
    run_sequence: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as it stands in the log."""

    index: int
    run_sequence: int
    source: str
    event: Event
    leaf: bytes
    # The event's contents, in the order of `event.sealed`, if they were asked for.
    contents: tuple[Opened, ...] = ()


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which entries of one tenant are asked for; empty text does not filter, and all that is given must hold."""

    tenant: str
    run_id: str = ""
    trace_id: str = ""
    principal: str = ""
    type: str = ""
    ids: tuple[str, ...] = ()
    role: str = ""
    # Name of the tool that an action calls, `server/tool`.
    tool: str = ""
    # Effect of a decision: allow, deny or escalate.
    decision: str = ""
    # Service that appended it.
    source: str = ""
    # Labelled at least so: 1 public, 2 internal, 3 confidential, 4 restricted; 0 does not filter.
    confidentiality: int = 0
    # Labelled with all of these.
    categories: tuple[str, ...] = ()
    integrity: str = ""
    # By the event's own time, in nanoseconds since 1970: since <= time < until.
    since: int | None = None
    until: int | None = None
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class DroppedEntries:
    """The oldest entries of the log, [0, past): they are in the archive alone."""

    past: int = 0
    # Where the archive of the newest of them is, in the operator's words.
    location: str = ""


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A signed state of the tree."""

    size: int
    root: bytes
    # Signed note (C2SP tlog-checkpoint).
    note: str


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """Shows that the leaf at `index` is in the tree of `head`."""

    index: int
    head: SignedHead
    # Leaf to root (RFC 9162, section 2.1.3).
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries by rising index, and whether more follow."""

    entries: tuple[Entry, ...] = field(default=())
    more: bool = False
