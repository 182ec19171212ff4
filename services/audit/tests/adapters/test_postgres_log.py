from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from amas_audit.adapters import postgres_pool
from amas_audit.adapters.postgres_pool import Pool, open_pool
from amas_audit.domain.checkpoint import Checkpoint
from amas_audit.domain.errors import LogDamagedError
from amas_audit.domain.merkle import (
    consistency_ranges,
    leaf_hash,
    nodes_of,
    range_root,
    verify_consistency,
)
from amas_audit.domain.model import Entry, EventFilter
from amas_audit.domain.signed_note import NoteSigner
from amas_audit.domain.tiles import Edge, node_in, tiles_of
from amas_chassis.errors import AmasError, ErrorKind
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ..log_suite import CASES, Backend
from ..logs import LogDatabase, WiredLog, append_persistently, event, open_log, submission

pytestmark = pytest.mark.integration

EVERYTHING = 1 << 30


async def all_entries(wired: WiredLog, tenant: str = "acme") -> list[Entry]:
    page = await wired.reader.entries(EventFilter(tenant), start=0, end=None, limit=100_000, max_bytes=EVERYTHING)
    return list(page.entries)


@pytest.mark.parametrize("case", CASES)
async def test_postgres_keeps_the_ports_promises(
    case: Callable[[Backend], Awaitable[None]], pool: Pool, signer: NoteSigner
) -> None:
    """The same suite as for the log in memory."""
    await case(await open_log(pool, signer))


async def test_another_process_answers_a_retry_as_the_first_did(pool: Pool, signer: NoteSigner) -> None:
    """Idempotency, conflicts and fences outlive the process that wrote."""
    first = await open_log(pool, signer)
    places = await first.log.append(submission(event(1), event(2), fencing_token=5))
    second = await open_log(pool, signer)
    again = await second.log.append(submission(event(2), event(1), event(3)))
    assert [(place.index, place.run_sequence, place.duplicate) for place in again] == [
        (places[1].index, 2, True),
        (places[0].index, 1, True),
        (2, 3, False),
    ]
    with pytest.raises(AmasError) as refused:
        await second.log.append(submission(event(4), event(1, data=b"{}")))
    assert refused.value.reason == "EVENT_CONFLICT"
    with pytest.raises(AmasError) as refused:
        await second.log.append(submission(event(5), fencing_token=4))
    assert (refused.value.kind, refused.value.reason) == (ErrorKind.FAILED_PRECONDITION, "FENCED")
    assert [entry.event.id for entry in await all_entries(second)] == ["event-1", "event-2", "event-3"]


async def test_a_refused_request_fails_alone_in_its_group(pool: Pool, signer: NoteSigner) -> None:
    """Neighbours in one commit do not notice a conflict."""
    wired = await open_log(pool, signer)
    await wired.log.append(submission(event(0)))
    outcomes = await asyncio.gather(
        *(wired.log.append(submission(event(n, data=b'{"n":%d}' % n))) for n in (1, 0, 2)), return_exceptions=True
    )
    assert [isinstance(outcome, AmasError) for outcome in outcomes] == [False, True, False]
    assert [entry.run_sequence for entry in await all_entries(wired)] == [1, 2, 3]


async def test_two_instances_write_one_log(log_database: LogDatabase, signer: NoteSigner) -> None:
    """I9: whoever is the sequencer, the tree has one history, runs have no gap, and no event is there twice."""
    pools = [await open_pool(log_database.service_dsn, connections=3, start_timeout=60) for _ in range(2)]
    try:
        instances = [await open_log(pool, signer) for pool in pools]
        chance = random.Random(7)  # noqa: S311 - a schedule, no secret
        # Every event is sent to both, as by a caller that lost its first answer.
        sendings = [(number, instance) for number in range(300) for instance in instances]
        chance.shuffle(sendings)
        gate = asyncio.Semaphore(40)

        async def send(number: int, instance: WiredLog) -> int:
            async with gate:
                places = await instance.log.append(submission(event(number, run_id=f"run-{number % 7}")))
                return places[0].index

        indices = await asyncio.gather(*(send(number, instance) for number, instance in sendings))
        entries = await all_entries(instances[0])
        assert sorted(set(indices)) == list(range(300)) == [entry.index for entry in entries]
        sequences = defaultdict(list)
        for entry in entries:
            sequences[entry.event.run_id].append(entry.run_sequence)
        assert all(found == list(range(1, len(found) + 1)) for found in sequences.values())
        await _one_history(pools[0], instances[0], signer, entries)
    finally:
        for pool in pools:
            await pool.close()


async def _one_history(pool: Pool, wired: WiredLog, signer: NoteSigner, entries: list[Entry]) -> None:
    """Every checkpoint that was ever signed is a prefix of the last."""
    heads = await pool.fetch("SELECT size, root, note FROM audit.checkpoint WHERE size > 0 ORDER BY size")
    newest = heads[-1]
    assert Edge().extended([leaf_hash(entry.leaf) for entry in entries])[0].root() == newest["root"]
    for head in heads:
        checkpoint = Checkpoint.parse(signer.verifier.open(head["note"]))
        assert (checkpoint.size, checkpoint.root) == (head["size"], head["root"])
        ranges = consistency_ranges(head["size"], newest["size"])
        tiles = await wired.reader.tiles(tiles_of(nodes_of(ranges)))
        proof = [range_root(start, end, lambda level, at, t=tiles: node_in(t, level, at)) for start, end in ranges]  # type: ignore[misc]
        assert verify_consistency(head["size"], newest["size"], head["root"], newest["root"], proof)


async def test_a_change_of_what_is_stored_stops_the_log(
    pool: Pool, log_database: LogDatabase, signer: NoteSigner
) -> None:
    """I9: a log that was changed behind our back is neither extended nor signed; the service says so and starts not."""
    running = await open_log(pool, signer)
    await running.log.append(submission(event(1), event(2)))
    owner = await asyncpg.connect(log_database.owner_dsn)
    try:
        await owner.execute("ALTER TABLE audit.entry DISABLE TRIGGER append_only")
        await owner.execute('UPDATE audit.entry SET leaf_hash = sha256(leaf_hash) WHERE "index" = 0')
    finally:
        await owner.close()
    with pytest.raises(LogDamagedError):
        await open_log(pool, signer)


async def test_a_sequencer_notices_damage_that_another_left(
    pool: Pool, log_database: LogDatabase, signer: NoteSigner
) -> None:
    """An instance that has to read the edge anew holds it against the signed root first, and turns unready."""
    stale = await open_log(pool, signer)
    current = await open_log(pool, signer)
    await current.log.append(submission(event(1), event(2)))
    owner = await asyncpg.connect(log_database.owner_dsn)
    try:
        await owner.execute("ALTER TABLE audit.entry DISABLE TRIGGER append_only")
        await owner.execute('DELETE FROM audit.entry WHERE "index" = 0')
    finally:
        await owner.close()
    stale.sequencer.check()
    with pytest.raises(AmasError) as refused:
        await stale.log.append(submission(event(3)))
    assert refused.value.reason == "LOG_DAMAGED"
    with pytest.raises(LogDamagedError):
        stale.sequencer.check()


async def test_a_new_key_signs_the_head_that_the_old_one_left(pool: Pool, signer: NoteSigner) -> None:
    """After a change of key the newest checkpoint verifies under the new one, and the old ones stay."""
    old = await open_log(pool, signer)
    await old.log.append(submission(event(1)))
    renewed = NoteSigner(signer.verifier.name, Ed25519PrivateKey.from_private_bytes(bytes(32)))
    new = await open_log(pool, renewed)
    head = await new.reader.head()
    assert head is not None
    assert Checkpoint.parse(renewed.verifier.open(head.note)).size == 1
    # Opened again, with either key: a head is signed once by each.
    await open_log(pool, signer)
    await open_log(pool, renewed)
    assert await pool.fetchval("SELECT count(*) FROM audit.checkpoint WHERE size = 1") == 2


async def test_a_stopped_sequencer_holds_nobody_up_for_long(
    log_database: LogDatabase, signer: NoteSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that hangs inside its transaction is cut off by the database; until then others are told to retry."""
    monkeypatch.setattr(postgres_pool, "LOCK_TIMEOUT_MS", 200)
    monkeypatch.setattr(postgres_pool, "IDLE_IN_TRANSACTION_MS", 1000)
    pool = await open_pool(log_database.service_dsn, connections=3, start_timeout=60)
    try:
        wired = await open_log(pool, signer)
        hung = await pool.acquire()
        # Not cut off before somebody else was seen to be refused, however long that takes.
        await hung.execute("SET idle_in_transaction_session_timeout = 0")
        await hung.execute("BEGIN")
        await hung.execute("SELECT pg_advisory_xact_lock($1)", 0x616D61732D617564)
        with pytest.raises(AmasError) as refused:
            await wired.log.append(submission(event(1)))
        assert (refused.value.kind, refused.value.reason) == (ErrorKind.UNAVAILABLE, "LOG_UNAVAILABLE")
        await hung.execute("RESET idle_in_transaction_session_timeout")
        assert await append_persistently(wired, event(1)) == 0
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
            await hung.execute("COMMIT")
        await pool.release(hung)
    finally:
        pool.terminate()


async def test_what_is_acknowledged_is_on_disk_whatever_the_role_says(log_database: LogDatabase) -> None:
    """I9: a default of the role or the server cannot turn waiting for the disk off."""
    service = await asyncpg.connect(log_database.service_dsn)
    try:
        await service.execute("ALTER ROLE CURRENT_USER SET synchronous_commit = off")
        pool = await open_pool(log_database.service_dsn, connections=2, start_timeout=60)
        try:
            assert await pool.fetchval("SHOW synchronous_commit") == "on"
        finally:
            await pool.close()
    finally:
        await service.execute("ALTER ROLE CURRENT_USER RESET synchronous_commit")
        await service.close()
