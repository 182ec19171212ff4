"""The two statements of a commit: what the log says about a group, and all that is written of the group.

Two and not one a table, since an append waits for each round trip. Their texts never change, so that a connection
prepares them once. They select and insert; they must never do anything else. Entries, which are in partitions, are
read only for events that stand in the log already: a plan over partitions locks every one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from asyncpg import BitString

from amas_audit.adapters.master_key import MasterKeys
from amas_audit.adapters.postgres_pool import Connection
from amas_audit.domain.errors import LogDamagedError
from amas_audit.domain.facets import BLOCK, FacetRow
from amas_audit.domain.leaf import decode
from amas_audit.domain.model import Submission
from amas_audit.domain.retention import Retention
from amas_audit.domain.sealing import Subject, SubjectKey, subjects_of
from amas_audit.domain.sequencing import EventKey, NewEntry, Plan, Recorded, RunKey, RunState
from amas_audit.domain.tiles import Edge, Tile

# One row for the newest head (the one that $1 signed, if several keys did), one for each event of the group that
# stands in the log, with its place, one for each of its runs, one for each key that takes new contents. An order is
# asked for where there is one row at most: only one index has it, so that the plan is a look into that one even if it
# was made while the tables were empty and any would have done.
_STATE = """
(SELECT 'head' AS kind, '' AS tenant, '' AS id, size AS number, 0::bigint AS run, root AS content, key_id
 FROM audit.checkpoint ORDER BY size DESC, (key_id = $1) DESC LIMIT 1)
UNION ALL
SELECT 'event', e.tenant, e.event_id, e."index", NULL, NULL, NULL
FROM unnest($2::text[], $3::text[]) AS q (tenant, event_id)
CROSS JOIN LATERAL (
  SELECT * FROM audit.event_key WHERE tenant = q.tenant AND event_id BETWEEN q.event_id AND q.event_id
  ORDER BY event_id LIMIT 1
) AS e
UNION ALL
SELECT 'run', q.tenant, q.run_id,
  (SELECT p.last_sequence FROM audit.run_place p WHERE p.tenant = q.tenant AND p.run_id = q.run_id
   ORDER BY p.first_sequence DESC LIMIT 1),
  (SELECT max(f.token) FROM audit.fence f WHERE f.tenant = q.tenant AND f.run_id = q.run_id), NULL, NULL
FROM unnest($4::text[], $5::text[]) AS q (tenant, run_id)
UNION ALL
SELECT 'key', k.tenant, k.key_id::text, q.place, NULL, k.wrapped, NULL
FROM unnest($6::text[], $7::text[], $8::text[], $9::int[]) WITH ORDINALITY AS q (tenant, subject, class, period, place)
CROSS JOIN LATERAL (
  SELECT * FROM audit.content_key WHERE tenant = q.tenant AND subject = q.subject AND retention = q.class
    AND opened_at > now() - make_interval(days => q.period)
  ORDER BY opened_at DESC LIMIT 1
) AS k
"""
_KEYS = """
SELECT key_id, tenant, subject, retention, wrapped FROM audit.content_key WHERE key_id = ANY($1::uuid[])
"""
_LEAVES = 'SELECT "index", leaf FROM audit.entry WHERE "index" = ANY($1::bigint[])'
_DROPPED = "SELECT coalesce(max(past), 0) FROM audit.dropped"
_WRITE = """
WITH entries AS (
  INSERT INTO audit.entry ("index", tenant, leaf_hash, leaf)
  SELECT i, t, h, l FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[], $5::bytea[]) AS e (i, t, id, h, l)
), keys AS (
  INSERT INTO audit.event_key ("index", tenant, event_id)
  SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[])
), places AS (
  INSERT INTO audit.run_place (tenant, run_id, first_sequence, last_sequence)
  SELECT * FROM unnest($6::text[], $7::text[], $8::bigint[], $9::bigint[])
), facets AS (
  INSERT INTO audit.facet (tenant, facet, block, bits, earliest, latest)
  SELECT * FROM unnest($10::text[], $11::text[], $12::bigint[], $13::varbit[], $14::bigint[], $15::bigint[])
), tiles AS (
  INSERT INTO audit.tile (level, position, root, hashes)
  SELECT * FROM unnest($16::smallint[], $17::bigint[], $18::bytea[], $19::bytea[])
), fences AS (
  INSERT INTO audit.fence (tenant, run_id, token)
  SELECT * FROM unnest($20::text[], $21::text[], $22::bigint[])
), content_keys AS (
  INSERT INTO audit.content_key (key_id, tenant, subject, retention, wrapped)
  SELECT * FROM unnest($27::uuid[], $28::text[], $29::text[], $30::text[], $31::bytea[])
), contents AS (
  INSERT INTO audit.content ("index", name, key_id, ciphertext, run_id)
  SELECT * FROM unnest($32::bigint[], $33::text[], $34::uuid[], $35::bytea[], $36::text[])
)
INSERT INTO audit.checkpoint (size, root, note, key_id)
SELECT * FROM unnest($23::bigint[], $24::bytea[], $25::text[], $26::bytea[])
"""
# A record in the journal of Postgres and in no table. A COMMIT waits only where its transaction wrote one, and then for
# all that was written before.
_WAIT_FOR_EARLIER = "SELECT pg_logical_emit_message(true, 'amas-audit', '')"


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
    # Events whose entries are in the archive alone.
    archived: set[EventKey] = field(default_factory=set)
    runs: dict[RunKey, RunState] = field(default_factory=dict)
    keys: dict[Subject, SubjectKey] = field(default_factory=dict)


async def read_state(
    connection: Connection, submissions: Sequence[Submission], *, key_id: bytes, masters: MasterKeys, kept: Retention
) -> LogState:
    """The newest head and all that the log knows of the events, runs and subjects of a group.

    ContentDamagedError if a key cannot be unwrapped, LogDamagedError if an entry is neither there nor dropped.
    """
    events = {(event.tenant, event.id) for submission in submissions for event in submission.events}
    runs = {(event.tenant, event.run_id) for submission in submissions for event in submission.events if event.run_id}
    subjects = subjects_of(submissions)
    asked = ((*subject, kept.period(subject[2])) for subject in subjects)
    rows = await connection.fetch(_STATE, key_id, *_columns(events, 2), *_columns(runs, 2), *_columns(asked, 4))
    state = LogState()
    places: dict[int, EventKey] = {}
    for kind, tenant, name, number, run, content, signed_by in rows:
        if kind == "head":
            state.size, state.root, state.signed_by = number, content, signed_by
        elif kind == "event":
            places[number] = (tenant, name)
        elif kind == "key":
            subject = subjects[number - 1]
            state.keys[subject] = masters.unwrap(name.replace("-", ""), subject, content)
        else:
            state.runs[tenant, name] = RunState(number or 0, run or 0)
    if places:
        for index, leaf in await connection.fetch(_LEAVES, list(places)):
            state.known[places.pop(index)] = Recorded(index, decode(leaf)[2], leaf)
    if places:
        # Asked after the leaves: whatever was dropped before they were read is told here.
        dropped = await connection.fetchval(_DROPPED)
        if lost := [index for index in places if index >= dropped]:
            raise LogDamagedError(f"entry {min(lost)} is missing, and was not dropped")
        state.archived.update(places.values())
    return state


async def recorded_keys(connection: Connection, masters: MasterKeys, ids: Iterable[str]) -> dict[str, SubjectKey]:
    """The keys that are still there, by id. ContentDamagedError if one cannot be unwrapped."""
    rows = await connection.fetch(_KEYS, list(ids))
    return {
        key_id.hex: masters.unwrap(key_id.hex, (tenant, subject, retention), wrapped)
        for key_id, tenant, subject, retention, wrapped in rows
    }


async def write(
    connection: Connection,
    made: Plan,
    filled: Sequence[Tile],
    checkpoint: SignedRow | None,
    facets: Sequence[FacetRow] = (),
    keys: Iterable[tuple[SubjectKey, bytes]] = (),
) -> None:
    """Insert the new entries, their contents, what they filled, the fences that were seen, and the signed head.

    `keys` are those that were made for the contents, each with how it was wrapped.
    """
    head = [(checkpoint.size, checkpoint.root, checkpoint.note, checkpoint.key_id)] if checkpoint else []
    await connection.execute(
        _WRITE,
        *_columns((_entry_row(entry) for entry in made.entries), 5),
        *_columns(_run_places(made.entries), 4),
        *_columns((_facet_row(row) for row in facets), 6),
        *_columns(((tile.level, tile.position, tile.root, b"".join(tile.hashes)) for tile in filled), 4),
        *_columns(((tenant, run_id, token) for (tenant, run_id), token in made.fences.items()), 3),
        *_columns(head, 4),
        *_columns(((key.id, *key.subject, wrapped) for key, wrapped in keys), 5),
        *_columns((row for entry in made.entries for row in _content_rows(entry)), 5),
    )


async def wait_for_earlier(connection: Connection) -> None:
    """Let the COMMIT of a turn that writes nothing wait for what others wrote before it, on disk and on replicas.

    What a turn reads may be committed and not yet on its replica: the wait for that can be cut short, by a time-out or
    by a crash. So "it stands in the log already" is no acknowledgement without this.
    """
    await connection.execute(_WAIT_FOR_EARLIER)


def _columns(rows: Iterable[tuple[object, ...]], width: int) -> list[list[object]]:
    """Rows turned into the arrays that unnest takes: as many as there are columns, also without a row."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def _entry_row(entry: NewEntry) -> tuple[object, ...]:
    return entry.index, entry.event.tenant, entry.event.id, entry.leaf_hash, entry.leaf


def _run_places(entries: Iterable[NewEntry]) -> list[tuple[object, ...]]:
    """The first and last place of each run among new entries."""
    places: dict[RunKey, tuple[int, int]] = {}
    for entry in entries:
        if entry.event.run_id:
            key = (entry.event.tenant, entry.event.run_id)
            first, _ = places.get(key, (entry.run_sequence, 0))
            places[key] = (first, entry.run_sequence)
    return [(*key, *place) for key, place in places.items()]


def _facet_row(row: FacetRow) -> tuple[object, ...]:
    return row.tenant, row.facet, row.block, BitString.from_int(row.bits, BLOCK), row.earliest, row.latest


def _content_rows(entry: NewEntry) -> Iterable[tuple[object, ...]]:
    for sealed, ciphertext in zip(entry.event.sealed, entry.ciphertexts, strict=True):
        yield entry.index, sealed.name, sealed.key, ciphertext, entry.event.run_id
