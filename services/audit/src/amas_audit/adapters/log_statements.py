"""The two statements of a commit: what the log says about a group, and all that is written of the group.

Two and not one a table, since an append waits for each round trip. Their texts never change, so that a connection
prepares them once. They select and insert; they must never do anything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from amas_audit.adapters.postgres_pool import Connection
from amas_audit.domain.model import Submission
from amas_audit.domain.sequencing import EventKey, NewEntry, Plan, Recorded, RunKey, RunState
from amas_audit.domain.tiles import Edge, Tile

# One row for the newest head (the one that $1 signed, if several keys did), one for each event of the group that
# stands in the log, one for each of its runs. An order is asked for where there is one row at most: only one index has
# it, so that the plan is a look into that one even if it was made while the tables were empty and any would have done.
_STATE = """
(SELECT 'head' AS kind, '' AS tenant, '' AS id, size AS number, 0::bigint AS run, root AS content, key_id
 FROM audit.checkpoint ORDER BY size DESC, (key_id = $1) DESC LIMIT 1)
UNION ALL
SELECT 'event', e.tenant, e.event_id, e."index", e.run_sequence, e.leaf, NULL
FROM unnest($2::text[], $3::text[]) AS q (tenant, event_id)
CROSS JOIN LATERAL (
  SELECT * FROM audit.entry WHERE tenant = q.tenant AND event_id BETWEEN q.event_id AND q.event_id
  ORDER BY event_id LIMIT 1
) AS e
UNION ALL
SELECT 'run', q.tenant, q.run_id,
  (SELECT max(e.run_sequence) FROM audit.entry e WHERE e.tenant = q.tenant AND e.run_id = q.run_id),
  (SELECT max(f.token) FROM audit.fence f WHERE f.tenant = q.tenant AND f.run_id = q.run_id), NULL, NULL
FROM unnest($4::text[], $5::text[]) AS q (tenant, run_id)
"""
_WRITE = """
WITH entries AS (
  INSERT INTO audit.entry
    ("index", tenant, event_id, run_id, run_sequence, trace_id, principal, type, leaf_hash, leaf)
  SELECT * FROM unnest(
    $1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::bytea[],
    $10::bytea[])
), tiles AS (
  INSERT INTO audit.tile (level, position, root, hashes)
  SELECT * FROM unnest($11::smallint[], $12::bigint[], $13::bytea[], $14::bytea[])
), fences AS (
  INSERT INTO audit.fence (tenant, run_id, token)
  SELECT * FROM unnest($15::text[], $16::text[], $17::bigint[])
)
INSERT INTO audit.checkpoint (size, root, note, key_id)
SELECT * FROM unnest($18::bigint[], $19::bytea[], $20::text[], $21::bytea[])
"""


@dataclass(frozen=True, slots=True)
class SignedRow:
    """A checkpoint as it is stored."""

    size: int
    root: bytes
    note: str
    key_id: bytes


@dataclass(slots=True)
class LogState:
    """What the log holds that bears on a group. Without a checkpoint: the head of nothing, signed by nobody."""

    size: int = 0
    root: bytes = field(default_factory=Edge().root)
    signed_by: bytes = b""
    known: dict[EventKey, Recorded] = field(default_factory=dict)
    runs: dict[RunKey, RunState] = field(default_factory=dict)


async def read_state(connection: Connection, submissions: Sequence[Submission], *, key_id: bytes) -> LogState:
    """The newest head and all that the log knows of the events and runs of a group."""
    events = {(event.tenant, event.id) for submission in submissions for event in submission.events}
    runs = {(event.tenant, event.run_id) for submission in submissions for event in submission.events if event.run_id}
    rows = await connection.fetch(_STATE, key_id, *_columns(events, 2), *_columns(runs, 2))
    state = LogState()
    for kind, tenant, name, number, run, content, signed_by in rows:
        if kind == "head":
            state.size, state.root, state.signed_by = number, content, signed_by
        elif kind == "event":
            state.known[tenant, name] = Recorded(number, run or 0, content)
        else:
            state.runs[tenant, name] = RunState(number or 0, run or 0)
    return state


async def write(connection: Connection, made: Plan, filled: Sequence[Tile], checkpoint: SignedRow | None) -> None:
    """Insert the new entries, the tiles that they filled, the fences that were seen, and the head that was signed."""
    head = [(checkpoint.size, checkpoint.root, checkpoint.note, checkpoint.key_id)] if checkpoint else []
    await connection.execute(
        _WRITE,
        *_columns((_entry_row(entry) for entry in made.entries), 10),
        *_columns(((tile.level, tile.position, tile.root, b"".join(tile.hashes)) for tile in filled), 4),
        *_columns(((tenant, run_id, token) for (tenant, run_id), token in made.fences.items()), 3),
        *_columns(head, 4),
    )


def _columns(rows: Iterable[tuple[object, ...]], width: int) -> list[list[object]]:
    """Rows turned into the arrays that unnest takes: as many as there are columns, also without a row."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def _entry_row(entry: NewEntry) -> tuple[object, ...]:
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
