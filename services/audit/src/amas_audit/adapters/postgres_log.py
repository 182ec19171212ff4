"""The sequencer: writes one group of submissions, the tiles that it fills and a signed checkpoint in one transaction.

One sequencer at a time: a lock of the transaction, so that it goes when its holder does. Whatever is kept in memory is
held against the newest checkpoint before use. It must never answer before the commit, and it only inserts.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from amas_chassis.errors import AmasError

from amas_audit.adapters.postgres_edge import load_edge
from amas_audit.adapters.postgres_pool import Connection, Pool, unavailable_when_away
from amas_audit.domain.checkpoint import Checkpoint
from amas_audit.domain.errors import LogDamagedError
from amas_audit.domain.model import Appended, Submission
from amas_audit.domain.sequencing import EventKey, NewEntry, Plan, Recorded, RunKey, RunState, plan
from amas_audit.domain.signed_note import NoteSigner
from amas_audit.domain.tiles import Edge, Tile

# Key of the sequencer's advisory lock in this database: the bytes "amas-aud".
SEQUENCER_LOCK = 0x616D61732D617564

_LOCK = "SELECT pg_advisory_xact_lock($1)"
_HEAD = "SELECT size, root, key_id FROM audit.checkpoint ORDER BY size DESC, (key_id = $1) DESC LIMIT 1"
_KNOWN = """
SELECT e.tenant, e.event_id, e.index, e.run_sequence, e.leaf
FROM unnest($1::text[], $2::text[]) AS q (tenant, event_id)
JOIN audit.entry e ON e.tenant = q.tenant AND e.event_id = q.event_id
"""
_RUNS = """
SELECT q.tenant, q.run_id,
  (SELECT max(e.run_sequence) FROM audit.entry e WHERE e.tenant = q.tenant AND e.run_id = q.run_id) AS last_sequence,
  (SELECT max(f.token) FROM audit.fence f WHERE f.tenant = q.tenant AND f.run_id = q.run_id) AS highest_token
FROM unnest($1::text[], $2::text[]) AS q (tenant, run_id)
"""
_FENCE = "INSERT INTO audit.fence (tenant, run_id, token) SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])"
_TILE = """
INSERT INTO audit.tile (level, position, root, hashes)
SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[], $4::bytea[])
"""
_CHECKPOINT = "INSERT INTO audit.checkpoint (size, root, note, key_id) VALUES ($1, $2, $3, $4)"
_ENTRY_COLUMNS = (
    "index", "tenant", "event_id", "run_id", "run_sequence", "trace_id", "principal", "type", "leaf_hash", "leaf",
)  # fmt: skip


class CommitTelemetry(Protocol):
    """What a commit tells about itself."""

    def committed(self, events: int, tree_size: int, seconds: float) -> None:
        """A group of new events is on disk."""
        ...


class PostgresLog:
    """Commits groups. Callers must not call `commit` again before it has returned."""

    def __init__(self, pool: Pool, signer: NoteSigner, *, origin: str, telemetry: CommitTelemetry) -> None:
        self._pool = pool
        self._signer = signer
        self._origin = origin
        self._telemetry = telemetry
        self._edge: Edge | None = None
        self._root = b""
        self._damage: LogDamagedError | None = None

    def check(self) -> None:
        """LogDamagedError if the stored log was found not to fit its checkpoint and has not been found to fit since."""
        if self._damage is not None:
            raise self._damage

    async def open(self) -> None:
        """Hold the tree's edge against its newest checkpoint, and sign the head if this key has not.

        LogDamagedError if they differ; AmasError LOG_UNAVAILABLE.
        """
        with unavailable_when_away():
            async with self._pool.acquire() as connection, connection.transaction():
                signed_by = await self._lock(connection)
                if signed_by != self._signer.verifier.key_id:
                    await self._insert_checkpoint(connection, self._known_edge().size, self._root)

    async def commit(self, submissions: Sequence[Submission]) -> Sequence[tuple[Appended, ...] | AmasError]:
        """An answer to each submission, after all that is acknowledged in them is on disk."""
        begun = time.monotonic()
        with unavailable_when_away():
            async with self._pool.acquire() as connection:
                async with connection.transaction():
                    await self._lock(connection)
                    edge = self._known_edge()
                    made = plan(
                        submissions,
                        size=edge.size,
                        known=await _known(connection, submissions),
                        runs=await _runs(connection, submissions),
                    )
                    new_edge, filled = edge.extended([entry.leaf_hash for entry in made.entries])
                    new_root = new_edge.root()
                    await self._write(connection, made, filled, new_edge, new_root)
                # Only here is the group on disk; until then the memory stays at what was before.
                self._edge, self._root = new_edge, new_root
        self._telemetry.committed(len(made.entries), new_edge.size, time.monotonic() - begun)
        return made.outcomes

    async def _lock(self, connection: Connection) -> bytes:
        """Become the sequencer until the transaction ends; answers who signed the newest checkpoint."""
        await connection.execute(_LOCK, SEQUENCER_LOCK)
        # A statement of its own: it must see what the last holder of the lock committed.
        head = await connection.fetchrow(_HEAD, self._signer.verifier.key_id)
        size, root, signed_by = (head["size"], head["root"], head["key_id"]) if head else (0, Edge().root(), b"")
        if self._edge is None or self._edge.size != size or self._root != root:
            self._edge = None
            self._edge, self._root = await self._load(connection, size, root), root
        return bytes(signed_by)

    async def _load(self, connection: Connection, size: int, root: bytes) -> Edge:
        try:
            edge = await load_edge(connection, size)
            if edge.root() != root:
                raise LogDamagedError(f"the entries of the tree of {size} do not lead to its signed root")
        except LogDamagedError as damage:
            self._damage = damage
            raise
        self._damage = None
        return edge

    def _known_edge(self) -> Edge:
        if self._edge is None:
            raise LogDamagedError("the edge of the tree is not known")
        return self._edge

    async def _write(self, connection: Connection, made: Plan, filled: Sequence[Tile], edge: Edge, root: bytes) -> None:
        if made.entries:
            await connection.copy_records_to_table(
                "entry", schema_name="audit", columns=_ENTRY_COLUMNS, records=map(_record, made.entries)
            )
            await self._insert_checkpoint(connection, edge.size, root)
        if filled:
            await connection.execute(
                _TILE,
                [tile.level for tile in filled],
                [tile.position for tile in filled],
                [tile.root for tile in filled],
                [b"".join(tile.hashes) for tile in filled],
            )
        if made.fences:
            await connection.execute(
                _FENCE,
                [tenant for tenant, _ in made.fences],
                [run_id for _, run_id in made.fences],
                list(made.fences.values()),
            )

    async def _insert_checkpoint(self, connection: Connection, size: int, root: bytes) -> None:
        note = self._signer.sign(Checkpoint(self._origin, size, root).body())
        await connection.execute(_CHECKPOINT, size, root, note, self._signer.verifier.key_id)


async def _known(connection: Connection, submissions: Sequence[Submission]) -> dict[EventKey, Recorded]:
    keys = {(event.tenant, event.id) for submission in submissions for event in submission.events}
    rows = await connection.fetch(_KNOWN, [tenant for tenant, _ in keys], [event_id for _, event_id in keys])
    return {
        (row["tenant"], row["event_id"]): Recorded(row["index"], row["run_sequence"] or 0, row["leaf"]) for row in rows
    }


async def _runs(connection: Connection, submissions: Sequence[Submission]) -> dict[RunKey, RunState]:
    keys = {(event.tenant, event.run_id) for submission in submissions for event in submission.events if event.run_id}
    if not keys:
        return {}
    rows = await connection.fetch(_RUNS, [tenant for tenant, _ in keys], [run_id for _, run_id in keys])
    return {
        (row["tenant"], row["run_id"]): RunState(row["last_sequence"] or 0, row["highest_token"] or 0) for row in rows
    }


def _record(entry: NewEntry) -> tuple[object, ...]:
    event = entry.event
    return (
        entry.index,
        event.tenant,
        event.id,
        event.run_id or None,
        entry.run_sequence or None,
        event.trace_id or None,
        event.principal or None,
        event.type,
        entry.leaf_hash,
        entry.leaf,
    )
