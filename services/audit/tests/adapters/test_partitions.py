from __future__ import annotations

from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from alembic import command
from amas_audit.adapters.migrate import migrate
from amas_audit.adapters.partitions import LEAST_ROOM, Partitions
from amas_audit.adapters.postgres_pool import Pool
from amas_audit.domain.facets import BLOCK, describe, index_blocks
from amas_audit.domain.leaf import encode
from amas_audit.domain.merkle import leaf_hash
from amas_audit.domain.signed_note import NoteSigner

from ..logs import LogDatabase, event, open_log, submission

pytestmark = pytest.mark.integration

ENTRIES = 1 << 20


async def test_room_is_made_before_it_is_needed_and_no_more(pool: Pool, log_database: LogDatabase) -> None:
    """The service's role gets the next partition when room becomes scarce, and cannot fill the database with tables."""
    partitions = Partitions(pool)
    await partitions.make_room(0)
    before = await pool.fetch("SELECT first, past FROM audit.partitions()")
    assert [tuple(row) for row in before] == [(0, ENTRIES)]
    await partitions.make_room(ENTRIES - LEAST_ROOM)
    assert await pool.fetchval("SELECT max(past) FROM audit.partitions()") == 2 * ENTRIES
    for _ in range(5):
        await pool.fetchval("SELECT audit.add_partition()")
    assert await pool.fetchval("SELECT max(past) FROM audit.partitions()") == 3 * ENTRIES
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.fetchval("SELECT audit.make_partition(256)")


async def test_entries_go_on_from_one_partition_to_the_next(
    pool: Pool, log_database: LogDatabase, signer: NoteSigner
) -> None:
    """Over the boundary nothing is lost, doubled or out of its run's order."""
    owner = await asyncpg.connect(log_database.owner_dsn)
    try:
        await owner.execute("DROP TABLE audit.entry_000000000000000")
        for _ in range(3):
            await owner.fetchval("SELECT audit.make_partition(256)")
    finally:
        await owner.close()
    wired = await open_log(pool, signer)
    for start in range(0, 600, 100):
        await wired.log.append(submission(*(event(n) for n in range(start, start + 100))))
    places = await wired.log.append(submission(event(255), event(256), event(600)))
    assert [(place.index, place.run_sequence, place.duplicate) for place in places] == [
        (255, 256, True),
        (256, 257, True),
        (600, 601, False),
    ]
    counts = await pool.fetch(
        'SELECT "index" / 256 AS part, count(*), min("index") AS low FROM audit.entry GROUP BY 1 ORDER BY 1'
    )
    assert [tuple(row) for row in counts] == [(0, 256, 0), (1, 256, 256), (2, 89, 512)]


async def test_one_place_of_a_run_is_given_once_over_all_partitions(pool: Pool, signer: NoteSigner) -> None:
    """I9: even a sequencer that had lost its senses could not write a second event with an id, or a second place."""
    wired = await open_log(pool, signer)
    await wired.log.append(submission(event(1), event(2)))
    for statement in (
        "INSERT INTO audit.event_key VALUES ('acme', 'event-1', 2000000)",
        "INSERT INTO audit.run_place VALUES ('acme', 'run-1', 1, 9)",
    ):
        with pytest.raises(asyncpg.UniqueViolationError):
            await pool.execute(statement)


async def test_an_older_log_moves_into_partitions_whole(
    database: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, signer: NoteSigner
) -> None:
    """An upgrade keeps every entry, finds each by its filters, and goes on where the log was."""
    made = LogDatabase.of(database("audit"))
    with monkeypatch.context() as older:
        older.setattr(command, "upgrade", lambda config, _: _UPGRADE(config, "0001"))
        migrate(made.owner_dsn)
    count = 2 * BLOCK + 40
    owner = await asyncpg.connect(made.owner_dsn)
    try:
        await _write_old_rows(owner, count)
        migrate(made.owner_dsn)
        rows = await owner.fetch("SELECT facet, block, bits FROM audit.facet ORDER BY tenant, facet, block")
        expected, _ = index_blocks(0, (), [describe(_old_event(n), "gateway") for n in range(count)])
        assert [(row["facet"], row["block"], row["bits"].to_int()) for row in rows] == sorted(
            (row.facet, row.block, row.bits) for row in expected
        )
        assert await owner.fetchval('SELECT count(*) FROM audit.entry JOIN audit.event_key USING ("index")') == count
        last = await owner.fetchval("SELECT max(last_sequence) FROM audit.run_place WHERE run_id = 'run-1'")
        assert last == count // 2
    finally:
        await owner.close()


_UPGRADE = command.upgrade


def _old_event(number: int) -> Any:
    return event(number, run_id=f"run-{number % 2}", data=b'{"tool":"t/%d"}' % (number % 5))


async def _write_old_rows(owner: asyncpg.Connection, count: int) -> None:
    """Rows as revision 0001 had them."""
    rows = []
    for number in range(count):
        one, sequence = _old_event(number), number // 2 + 1
        leaf = encode(one, "gateway", sequence)
        key = (number, "acme", one.id, one.run_id, sequence, None, one.principal, one.type)
        rows.append((*key, leaf_hash(leaf), leaf))
    await owner.executemany("INSERT INTO audit.entry VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)", rows)
