"""Erasing on a real Postgres, as the role that can do nothing else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest
from amas_audit.adapters.master_key import MasterKeys
from amas_audit.adapters.postgres_contents import PostgresContents
from amas_audit.adapters.postgres_eraser import PostgresEraser
from amas_audit.adapters.postgres_pool import Pool, open_pool
from amas_audit.adapters.rewrapping import rewrap
from amas_audit.domain.contents import Opened
from amas_audit.domain.errors import NotReadyError
from amas_audit.domain.merkle import leaf_hash, root_from_inclusion
from amas_audit.domain.model import Event, EventFilter
from amas_audit.domain.signed_note import NoteSigner
from amas_audit.usecases.erase_contents import EraseContents
from amas_audit.usecases.expire_contents import ExpireContents
from amas_audit.usecases.prove_inclusion import prove_inclusion
from amas_chassis.clock import SystemClock

from ..logs import MASTERS, RETENTION, LogDatabase, WiredLog, content, event, open_log, submission

pytestmark = pytest.mark.integration

ALL = EventFilter(tenant="acme")


@dataclass
class Erasing:
    """A log, and both ways to erase of it."""

    log: WiredLog
    eraser: PostgresEraser
    erase: EraseContents
    expire: ExpireContents
    pool: Pool

    async def contents(self) -> dict[str, tuple[Opened, ...]]:
        page = await self.log.reader.entries(ALL, start=0, end=None, limit=1000, max_bytes=1 << 30)
        return {entry.event.id: entry.contents for entry in await self.log.contents.opened(page.entries)}

    async def erased_events(self) -> list[Event]:
        wanted = EventFilter(tenant="acme", type="dev.amas.audit.erased")
        page = await self.log.reader.entries(wanted, start=0, end=None, limit=1000, max_bytes=1 << 30)
        return [entry.event for entry in page.entries]


@pytest.fixture
async def erasing(pool: Pool, signer: NoteSigner, log_database: LogDatabase) -> AsyncIterator[Erasing]:
    log = await open_log(pool, signer)
    erasers = await open_pool(log_database.eraser_dsn, connections=2, start_timeout=60)
    eraser = PostgresEraser(erasers)
    erase = EraseContents(log.log, eraser, SystemClock())
    yield Erasing(log, eraser, erase, ExpireContents(eraser, erase, RETENTION), erasers)
    await erasers.close()


async def fill(erasing: Erasing) -> None:
    """Contents of two people and of another tenant."""
    both = (content(b"1", subject="alice"), content(b"2", name="result", subject="bob"))
    await erasing.log.log.append(submission(event(1, contents=both), event(2, contents=(content(b"3"),))))
    other = event(3, tenant="other", contents=(content(b"4", subject="alice"),))
    await erasing.log.log.append(submission(event(4, principal="alice", contents=(content(b"5"),)), other))


async def test_a_person_is_forgotten_and_every_proof_stays(erasing: Erasing) -> None:
    """Gone are the person's contents, by name and as principal, in this tenant; the log says so, and still verifies."""
    await fill(erasing)
    before = await erasing.log.reader.entries(ALL, start=0, end=None, limit=10, max_bytes=1 << 30)
    dry = await erasing.erase("acme", "alice", principal="dpo", dry_run=True)
    assert (dry.keys, dry.contents, dry.events) == (1, 2, ())
    assert (await erasing.contents())["event-1"][0].data == b"1"
    erased = await erasing.erase("acme", "alice", principal="dpo", dry_run=False)
    assert (erased.keys, erased.contents, len(erased.events)) == (1, 2, 1)
    shown = await erasing.contents()
    assert [(one.sealed.name, one.data, one.erased_by) for one in shown["event-1"]] == [
        ("input", None, erased.events[0]),
        ("result", b"2", ""),
    ]
    assert (shown["event-2"][0].data, shown["event-4"][0].erased_by) == (b"3", erased.events[0])
    (said,) = await erasing.erased_events()
    data = json.loads(said.data)
    assert (said.id, said.principal, data["why"], data["contents"]) == (erased.events[0], "dpo", "subject", 2)
    assert data["keys"] == [shown["event-1"][0].sealed.key]
    assert "alice" not in said.data.decode()
    head = await erasing.log.reader.head()
    assert head is not None
    proofs = await prove_inclusion(erasing.log.reader, [entry.index for entry in before.entries], head)
    for entry, proof in zip(before.entries, proofs, strict=True):
        assert root_from_inclusion(leaf_hash(entry.leaf), entry.index, head.size, proof.hashes) == head.root


async def test_what_was_erased_is_nowhere_in_the_database(erasing: Erasing, pool: Pool) -> None:
    """Neither key nor ciphertext nor name; another tenant's contents of the same name stay."""
    await fill(erasing)
    await erasing.erase("acme", "alice", principal="dpo", dry_run=False)
    assert (
        await pool.fetchval("SELECT count(*) FROM audit.content_key WHERE tenant = 'acme' AND subject = 'alice'") == 0
    )
    assert await pool.fetchval("SELECT count(*) FROM audit.content_key WHERE subject = 'alice'") == 1
    orphans = "SELECT count(*) FROM audit.content WHERE key_id NOT IN (SELECT key_id FROM audit.content_key)"
    assert await pool.fetchval(orphans) == 0


async def test_a_retry_does_not_bring_back_what_was_erased(erasing: Erasing) -> None:
    """A sender that never heard the answer is answered; new contents of the person get a new key."""
    await fill(erasing)
    await erasing.erase("acme", "alice", principal="dpo", dry_run=False)
    again = event(4, principal="alice", contents=(content(b"5"),))
    assert (await erasing.log.log.append(submission(again)))[0].duplicate
    await erasing.log.log.append(submission(event(9, principal="alice", contents=(content(b"6"),))))
    shown = await erasing.contents()
    assert (shown["event-4"][0].data, shown["event-9"][0].data) == (None, b"6")
    assert shown["event-4"][0].sealed.key != shown["event-9"][0].sealed.key


async def test_an_erasure_that_was_cut_off_is_done_when_it_is_asked_for_again(erasing: Erasing) -> None:
    """It was on record and not done: the same event stands for it, and what is left over is cleared up."""
    await fill(erasing)
    keys = await erasing.eraser.of_subject("acme", "alice")
    first = await erasing.erase.erase(keys, why="subject", principal="dpo")
    assert (await erasing.erase.erase(keys, why="subject", principal="dpo")).events == first.events
    assert len(await erasing.erased_events()) == 1
    nothing = await erasing.erase("acme", "alice", principal="dpo", dry_run=False)
    assert (nothing.keys, nothing.events) == (0, ())


async def test_ciphertexts_that_were_left_behind_are_cleared_up(erasing: Erasing, pool: Pool) -> None:
    """Killed between the two: the key is gone, so nobody can read them, and the next look removes them."""
    await fill(erasing)
    (key,) = await erasing.eraser.of_subject("acme", "alice")
    await erasing.pool.execute(
        "INSERT INTO audit.erased_key (key_id, tenant, event_id) VALUES ($1, 'acme', 'e')", key.id
    )
    await erasing.pool.execute("DELETE FROM audit.content_key WHERE key_id = $1", key.id)
    assert await pool.fetchval("SELECT count(*) FROM audit.content WHERE key_id = $1", key.id) == 2
    assert (await erasing.contents())["event-1"][0].erased_by == "e"
    assert await erasing.expire() == 0
    assert await pool.fetchval("SELECT count(*) FROM audit.content WHERE key_id = $1", key.id) == 0


async def test_a_class_ends_not_before_its_days_and_then_for_good(erasing: Erasing, log_database: LogDatabase) -> None:
    """A key takes new contents for three days and is kept thirty more; classes without an end are never looked at."""
    given = (content(b"1", retention="short"), content(b"2", name="result"))
    await erasing.log.log.append(submission(event(1, contents=given)))

    async def age(days: int) -> None:
        owner = await asyncpg.connect(log_database.owner_dsn)
        try:
            await owner.execute("ALTER TABLE audit.content_key DISABLE TRIGGER append_only")
            await owner.execute("UPDATE audit.content_key SET opened_at = now() - make_interval(days => $1)", days)
            await owner.execute("ALTER TABLE audit.content_key ENABLE TRIGGER append_only")
        finally:
            await owner.close()

    await age(32)
    assert await erasing.expire() == 0
    await age(34)
    assert await erasing.expire() == 1
    shown = await erasing.contents()
    (said,) = await erasing.erased_events()
    assert [(one.data, one.erased_by) for one in shown["event-1"]] == [(None, said.id), (b"2", "")]
    data = json.loads(said.data)
    assert (data["why"], data["retention"], said.principal) == ("retention", "short", "")
    assert await erasing.expire() == 0


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT wrapped FROM audit.content_key",
        "SELECT ciphertext FROM audit.content",
        "SELECT leaf FROM audit.entry",
        "DELETE FROM audit.entry",
        "DELETE FROM audit.checkpoint",
        "DELETE FROM audit.erased_key",
        "UPDATE audit.erased_key SET event_id = ''",
        "UPDATE audit.content_key SET subject = ''",
        "INSERT INTO audit.content (\"index\", name, key_id, ciphertext) VALUES (0, 'a', gen_random_uuid(), '')",
        "TRUNCATE audit.content",
        "CREATE TABLE audit.other (a int)",
    ],
)
async def test_the_erasing_role_can_do_nothing_else(statement: str, erasing: Erasing) -> None:
    """Whoever takes it over reads nothing, and changes nothing of the log."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await erasing.pool.execute(statement)


async def test_the_master_key_is_renewed(erasing: Erasing, pool: Pool, log_database: LogDatabase) -> None:
    """After wrapping anew the old master key is needed no more; twice is once; without the old one nothing changes."""
    await fill(erasing)
    new = bytes(32)
    with pytest.raises(NotReadyError, match="no master key at hand"):
        await rewrap(log_database.owner_dsn, MasterKeys([new]))
    renewed = MasterKeys([new, bytes(range(32, 64))])
    assert await rewrap(log_database.owner_dsn, renewed) == 4
    assert await rewrap(log_database.owner_dsn, renewed) == 0
    page = await erasing.log.reader.entries(ALL, start=0, end=1, limit=1, max_bytes=1 << 30)
    (entry,) = await PostgresContents(pool, MasterKeys([new])).opened(page.entries)
    assert [one.data for one in entry.contents] == [b"1", b"2"]
    (unread,) = await PostgresContents(pool, MASTERS).opened(page.entries)
    assert [one.data for one in unread.contents] == [None, None]
