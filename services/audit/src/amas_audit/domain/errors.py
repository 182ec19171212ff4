"""Everything that the service refuses or fails with. Messages are safe to show to a caller of the same tenant."""

from __future__ import annotations

from amas_chassis.errors import AmasError, ErrorKind, FieldViolation

# Seconds after which a caller may try again when the database is away or the queue is full.
RETRY_AFTER = 0.5


class LogDamagedError(RuntimeError):
    """What is stored does not fit what was signed. Nothing may be appended or proven until a human has looked."""


class ContentDamagedError(RuntimeError):
    """A stored content is not what its leaf commits to."""


class ArchiveDamagedError(RuntimeError):
    """A file of an archive is missing, cut or changed; the text names it."""


class NotReadyError(RuntimeError):
    """The service cannot start or serve for a reason that its operator can mend; the text says which."""


def event_invalid(position: int, field: str, description: str) -> AmasError:
    """An event that cannot stand in the log. `position` counts from 0 in the request."""
    path = f"events[{position}].{field}"
    return AmasError(
        ErrorKind.INVALID_ARGUMENT,
        "EVENT_INVALID",
        f"{path}: {description}",
        violations=[FieldViolation(path, description)],
    )


def event_conflict(event_id: str) -> AmasError:
    """The id stands in the log with other content."""
    return AmasError(
        ErrorKind.ALREADY_EXISTS,
        "EVENT_CONFLICT",
        f"event {event_id!r} stands in the log with other content; nothing of the request was appended",
        metadata={"event_id": event_id},
    )


def fenced(run_id: str, seen: int) -> AmasError:
    """A later holder of the run has appended already."""
    return AmasError(
        ErrorKind.FAILED_PRECONDITION,
        "FENCED",
        f"run {run_id!r} was taken over: its fencing token is {seen} or higher",
        metadata={"run_id": run_id, "seen_token": str(seen)},
    )


def log_unavailable() -> AmasError:
    """The database is away. Whether a commit in flight took place is unknown; a retry by the same ids is safe."""
    return AmasError(
        ErrorKind.UNAVAILABLE,
        "LOG_UNAVAILABLE",
        "the log cannot be reached; nothing was acknowledged, try again with the same event ids",
        retry_after=RETRY_AFTER,
    )


def log_overloaded() -> AmasError:
    """More appends wait than the service keeps in memory."""
    return AmasError(
        ErrorKind.UNAVAILABLE,
        "LOG_OVERLOADED",
        "too many appends are waiting; nothing was appended, try again with the same event ids",
        retry_after=RETRY_AFTER,
    )


def log_damaged() -> AmasError:
    """The stored tree does not fit the signed one."""
    return AmasError(
        ErrorKind.INTERNAL, "LOG_DAMAGED", "the stored log does not fit its signed checkpoint; nothing is appended"
    )


def entries_archived(first: int, past: int, location: str) -> AmasError:
    """What is asked for reaches into entries that are in the archive alone."""
    return AmasError(
        ErrorKind.FAILED_PRECONDITION,
        "ENTRIES_ARCHIVED",
        f"this reaches into entries {first} to {past - 1}, which are in the archive alone: {location}; "
        "ask for the newest first or for a later time, or read the archive",
        metadata={"first": str(first), "last": str(past - 1), "location": location},
    )


EVENT_ARCHIVED = "EVENT_ARCHIVED"


def event_archived(event_id: str) -> AmasError:
    """The id stands in the log; whether with the same content, the archive alone can tell."""
    return AmasError(
        ErrorKind.FAILED_PRECONDITION,
        EVENT_ARCHIVED,
        f"event {event_id!r} stands in the log, and its entry in the archive alone: whether this is the same event "
        "cannot be told any more; nothing of the request was appended",
        metadata={"event_id": event_id},
    )


def erasure_unavailable() -> AmasError:
    """No database role is set that may erase."""
    return AmasError(
        ErrorKind.FAILED_PRECONDITION,
        "ERASURE_UNAVAILABLE",
        "this log erases nothing: its operator has not set AMAS_AUDIT_ERASURE_DATABASE_URL",
    )


def entry_unknown() -> AmasError:
    """No such entry, or one of another tenant: the answer is the same."""
    return AmasError(ErrorKind.NOT_FOUND, "ENTRY_UNKNOWN", "the tenant has no entry at that index")


def query_too_wide(seconds: float) -> AmasError:
    """The search took longer than it may."""
    return AmasError(
        ErrorKind.RESOURCE_EXHAUSTED,
        "QUERY_TOO_WIDE",
        f"the search took longer than {seconds:g} s: narrow it by since and until, or by another filter",
    )


def filter_invalid(field: str, description: str) -> AmasError:
    """A question that nothing can answer."""
    return AmasError(
        ErrorKind.INVALID_ARGUMENT,
        "FILTER_INVALID",
        f"{field}: {description}",
        violations=[FieldViolation(field, description)],
    )


def run_unknown() -> AmasError:
    """The tenant has no entry of that run."""
    return AmasError(ErrorKind.NOT_FOUND, "RUN_UNKNOWN", "the tenant has no entry of that run")


def checkpoint_unknown() -> AmasError:
    """No checkpoint of that size was signed."""
    return AmasError(ErrorKind.NOT_FOUND, "CHECKPOINT_UNKNOWN", "no checkpoint of that tree size was signed")


def tree_too_small() -> AmasError:
    """The entry came after the tree that it should be proven in."""
    return AmasError(
        ErrorKind.INVALID_ARGUMENT,
        "TREE_TOO_SMALL",
        "the tree of that size does not hold the entry",
        violations=[FieldViolation("tree_size", "must be greater than index")],
    )


def checkpoint_not_cosigned(quorum: int) -> AmasError:
    """The witnesses that it takes have not cosigned any yet."""
    words = f"no checkpoint has the names of {quorum} witnesses under it yet: ask again in a second"
    return AmasError(ErrorKind.NOT_FOUND, "CHECKPOINT_NOT_COSIGNED", words)


def resource_unknown() -> AmasError:
    """No such tile or bundle, or not yet."""
    return AmasError(ErrorKind.NOT_FOUND, "RESOURCE_UNKNOWN", "the log has no such tile or bundle, or not yet")


def reader_unknown() -> AmasError:
    """Entries are asked for by somebody who has not shown who they are."""
    return AmasError(
        ErrorKind.UNAUTHENTICATED,
        "CLIENT_CERTIFICATE_REQUIRED",
        "entries of the log are shown to auditors alone: come with a client certificate of the log's authority",
    )


def reader_refused(service: str) -> AmasError:
    """Entries are asked for by somebody who may not see those of all tenants."""
    return AmasError(
        ErrorKind.PERMISSION_DENIED, "ENTRIES_REFUSED", f"{service!r} may not read the entries of all tenants"
    )


def entry_too_long() -> AmasError:
    """An entry from before leaves had a bound; its hash can be had, in a tile."""
    return AmasError(ErrorKind.INTERNAL, "ENTRY_TOO_LONG", "the bundle has an entry that is longer than 65535 bytes")


def reads_unrecorded() -> AmasError:
    """So many reads of entries wait to be put on record that there is no room to note another."""
    return AmasError(
        ErrorKind.UNAVAILABLE,
        "READS_UNRECORDED",
        "earlier reads of entries are not on record yet, and nothing is read off the record; ask again in a minute",
        retry_after=60.0,
    )
