"""What the use cases need from outside, as small as they need it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from amas_audit.domain.erasure import DoomedKey
from amas_audit.domain.model import Appended, DroppedEntries, Entry, EventFilter, Page, SignedHead, Submission
from amas_audit.domain.subjects import SubjectKeyUse, SubjectRun
from amas_audit.domain.tiles import TileHashes, TileId
from amas_audit.domain.witnessing import WitnessKey


class Log(Protocol):
    """Where events are appended."""

    async def append(self, submission: Submission) -> tuple[Appended, ...]:
        """Append all events or none, and return once they are on disk.

        Raises AmasError: EVENT_CONFLICT, FENCED (final), LOG_UNAVAILABLE, LOG_OVERLOADED (try again).
        """
        ...


class LogReader(Protocol):
    """What is asked of the log. Every method raises AmasError LOG_UNAVAILABLE while the database is away."""

    async def entries(self, wanted: EventFilter, *, start: int, end: int | None, limit: int, max_bytes: int) -> Page:
        """Entries of one tenant with start <= index < end (None: no end), by rising index, or falling if asked for.

        At most `limit`, and at most about `max_bytes` of leaves, but at least one if there is one. AmasError
        QUERY_TOO_WIDE if the search takes too long, ENTRIES_ARCHIVED if what comes next was dropped.
        """
        ...

    async def holds(self, tenant: str, index: int) -> bool:
        """Whether the entry at `index` is in the log, archived or not, and the tenant's."""
        ...

    async def head(self, size: int | None = None) -> SignedHead | None:
        """The newest signed head, or that of a size if one was signed."""
        ...

    async def tiles(self, ids: Iterable[TileId]) -> Mapping[TileId, TileHashes]:
        """The tiles, those at the right edge as far as they are filled."""
        ...


class LeafReader(Protocol):
    """A stretch of the log as it stands, whoever's it is."""

    async def leaves(self, start: int, end: int) -> Sequence[bytes]:
        """The leaves [start, end), fewer where the log ends before. AmasError LOG_UNAVAILABLE, ENTRIES_ARCHIVED."""
        ...


class EntryOwners(Protocol):
    """Whose the entries of a stretch of the log are."""

    async def tenants(self, start: int, end: int) -> Mapping[str, int]:
        """Tenants with entries in [start, end), and how many. AmasError LOG_UNAVAILABLE."""
        ...


class ContentReader(Protocol):
    """Where the contents of entries are read."""

    async def opened(self, entries: Sequence[Entry]) -> tuple[Entry, ...]:
        """The entries with their contents, as far as they are not erased. AmasError LOG_UNAVAILABLE."""
        ...


class SubjectReader(Protocol):
    """Where a person's contents are found. Every method raises AmasError LOG_UNAVAILABLE while the database is away."""

    async def keys(self, tenant: str, subject: str, limit: int) -> Sequence[SubjectKeyUse]:
        """Keys of a tenant's subject, newest first."""
        ...

    async def runs(self, tenant: str, subject: str, *, after: str | None, limit: int) -> Sequence[SubjectRun]:
        """Runs with contents of a tenant's subject, by rising id, after one of them (None: from the first on)."""
        ...


class Witness(Protocol):
    """Somebody who cosigns what continues what they saw (C2SP tlog-witness)."""

    key: WitnessKey

    async def cosign(self, old: int, proof: Sequence[bytes], note: str) -> str:
        """The line under the note. WitnessSawError, WitnessRefusedError or WitnessAwayError (domain.witnessing)."""
        ...


class Cosignatures(Protocol):
    """The lines of witnesses under checkpoints. Every method raises AmasError LOG_UNAVAILABLE."""

    async def keep(self, size: int, witness: str, key_id: bytes, line: str) -> None:
        """Keep a line under the checkpoint of a size."""
        ...

    async def newest(self, quorum: int) -> tuple[int, tuple[str, ...]] | None:
        """The largest size under which at least `quorum` of the witnesses have a line, and these lines."""
        ...


class Eraser(Protocol):
    """Where contents are erased. Every method raises AmasError LOG_UNAVAILABLE while the database is away."""

    async def of_subject(self, tenant: str, subject: str) -> list[DoomedKey]:
        """All keys of a tenant's subject."""
        ...

    async def ended(self, retention: str, days: int, limit: int) -> list[DoomedKey]:
        """Keys of a class that were opened more than `days` ago; at most `limit`."""
        ...

    async def destroy(self, keys: Sequence[str], event_id: str) -> None:
        """Destroy keys and their contents for good, noting the event that says so. Safe to repeat."""
        ...

    async def clear_up(self) -> None:
        """Remove what an erasure that was cut off has left."""


class Partitions(Protocol):
    """How the log is cut."""

    async def closed(self, size: int) -> Sequence[tuple[int, int]]:
        """First index of each partition that a log of `size` entries has filled, and the index past its last."""
        ...

    async def aged(self, size: int, days: int) -> Sequence[tuple[int, int]]:
        """Those of them that were filled `days` ago or earlier."""
        ...

    async def dropped(self) -> DroppedEntries:
        """What is in the archive alone."""
        ...


class Dropper(Protocol):
    """Where partitions are dropped, as a role that can do nothing else."""

    async def drop(self, first: int, past: int, *, root: bytes, location: str, event_id: str) -> None:
        """Drop the oldest partition; it is on record by the event of this id, for each tenant with entries in it.

        NotReadyError if it is not the oldest, not full, not on record; AmasError LOG_UNAVAILABLE. It stays then.
        """
        ...


class ArchiveFiles(Protocol):
    """Where an archive is kept. A file is there whole or not at all."""

    def has(self, path: str) -> bool:
        """Whether a file is there."""
        ...

    def read(self, path: str) -> bytes:
        """Its content. ArchiveDamagedError if it is not there."""
        ...

    def write(self, path: str, content: bytes) -> None:
        """Write a file. ArchiveDamagedError if it is there with other content; the checkpoint is replaced."""
        ...

    def sync(self) -> None:
        """Return once all that was written is on disk."""
        ...

    def secure(self, paths: Iterable[str]) -> None:
        """Return once these files are on disk, whoever wrote them. ArchiveDamagedError if one is not there."""
        ...


class AppendTelemetry(Protocol):
    """What appending tells to whoever watches."""

    def appended(self, source: str, new: int, duplicates: int, seconds: float) -> None:
        """A submission was acknowledged."""
        ...

    def refused(self, source: str, reason: str) -> None:
        """A submission was not."""
        ...
