"""Contents on a real Postgres, encrypted, and read again."""

from __future__ import annotations

from dataclasses import replace

import asyncpg
import pytest
from amas_audit.adapters.master_key import MasterKeys
from amas_audit.adapters.postgres_contents import PostgresContents
from amas_audit.adapters.postgres_pool import Pool
from amas_audit.adapters.postgres_start import check_master_keys
from amas_audit.domain.contents import Opened
from amas_audit.domain.errors import NotReadyError
from amas_audit.domain.model import Entry, EventFilter
from amas_audit.domain.signed_note import NoteSigner
from amas_chassis.errors import AmasError

from ..logs import MASTERS, LogDatabase, WiredLog, content, event, open_log, submission

pytestmark = pytest.mark.integration

WORD = b'"the-secret-word"'


async def opened(wired: WiredLog, contents: PostgresContents | None = None) -> dict[str, tuple[Opened, ...]]:
    """Contents of all entries, by event id."""
    found: list[Entry] = []
    for tenant in ("acme", "other"):
        page = await wired.reader.entries(EventFilter(tenant=tenant), start=0, end=None, limit=1000, max_bytes=1 << 30)
        found.extend(page.entries)
    shown = await (contents or wired.contents).opened(found)
    return {entry.event.id: entry.contents for entry in shown}


async def test_contents_come_back_to_the_byte(pool: Pool, signer: NoteSigner) -> None:
    """What was appended is what is read, by whichever instance, large and empty ones included."""
    wired = await open_log(pool, signer)
    large = bytes(range(256)) * 8192
    given = (content(large, name="result"), content(b"", name="nothing"), content(WORD, subject="alice"))
    await wired.log.append(submission(event(1, contents=given), event(2)))
    await wired.log.append(submission(event(3, tenant="other", contents=(content(WORD),))))
    other = await open_log(pool, signer)
    shown = await opened(other)
    assert {one.sealed.name: one.data for one in shown["event-1"]} == {
        "result": large,
        "nothing": b"",
        "input": WORD,
    }
    assert shown["event-2"] == ()
    assert [one.data for one in shown["event-3"]] == [WORD]


async def test_the_database_holds_no_data_in_the_clear(pool: Pool, signer: NoteSigner) -> None:
    """Neither rows nor indexes have what was said; a subject's name stands with its key alone, and goes with it."""
    wired = await open_log(pool, signer)
    await wired.log.append(submission(event(1, contents=(content(WORD, subject="alice"),))))
    for table in ("entry", "content", "content_key"):
        rows = await pool.fetch(f"SELECT t::text AS row FROM audit.{table} t")  # noqa: S608 - names of our own
        text = " ".join(row["row"] for row in rows)
        assert WORD.hex() not in text
        assert "secret-word" not in text
        assert ("alice" in text or b"alice".hex() in text) == (table == "content_key")


async def test_a_retry_is_recognised_by_any_instance(pool: Pool, signer: NoteSigner) -> None:
    """Idempotent across processes, though salts are secret; other contents are a conflict."""
    first, second = await open_log(pool, signer), await open_log(pool, signer)
    one = event(1, contents=(content(WORD),))
    assert not (await first.log.append(submission(one)))[0].duplicate
    assert (await second.log.append(submission(one)))[0].duplicate
    with pytest.raises(AmasError) as refused:
        await second.log.append(submission(replace(one, contents=(content(b"2"),))))
    assert refused.value.reason == "EVENT_CONFLICT"
    assert await pool.fetchval("SELECT count(*) FROM audit.content") == 1


async def test_a_subject_keeps_its_key_until_its_period_ends(
    pool: Pool, signer: NoteSigner, log_database: LogDatabase
) -> None:
    """Instances share keys; a class with an end takes a new one when the period is over, an endless class never."""
    first, second = await open_log(pool, signer), await open_log(pool, signer)

    async def keys(number: int, wired: WiredLog) -> list[str]:
        given = (content(name="a"), content(name="b", retention="short"))
        await wired.log.append(submission(event(number, contents=given)))
        return [one.sealed.key for one in (await opened(wired))[f"event-{number}"]]

    before = await keys(1, first)
    assert await keys(2, second) == before
    owner = await asyncpg.connect(log_database.owner_dsn)
    try:
        await owner.execute("ALTER TABLE audit.content_key DISABLE TRIGGER append_only")
        await owner.execute("UPDATE audit.content_key SET opened_at = opened_at - interval '4 days'")
    finally:
        await owner.close()
    after = await keys(3, first)
    assert (after[0] == before[0], after[1] == before[1]) == (True, False)
    assert all(one.data == b'"hello"' for many in (await opened(first)).values() for one in many)


async def test_what_is_refused_leaves_neither_key_nor_content(pool: Pool, signer: NoteSigner) -> None:
    """All of a request or nothing."""
    wired = await open_log(pool, signer)
    await wired.log.append(submission(event(1)))
    with pytest.raises(AmasError):
        await wired.log.append(submission(event(2, contents=(content(subject="bob"),)), event(1, data=b'{"other":1}')))
    assert await pool.fetchval("SELECT count(*) FROM audit.content_key") == 0
    assert await pool.fetchval("SELECT count(*) FROM audit.content") == 0


async def test_a_swapped_or_changed_content_is_not_shown(
    pool: Pool, signer: NoteSigner, log_database: LogDatabase
) -> None:
    """I9: what is not the content that the leaf commits to is never given out as it."""
    wired = await open_log(pool, signer)
    await wired.log.append(submission(event(1, contents=(content(b"1"),)), event(2, contents=(content(b"2"),))))
    owner = await asyncpg.connect(log_database.owner_dsn)
    try:
        await owner.execute("ALTER TABLE audit.content DISABLE TRIGGER append_only")
        await owner.execute(
            'UPDATE audit.content SET ciphertext = (SELECT ciphertext FROM audit.content WHERE "index" = 1) '
            'WHERE "index" = 0'
        )
    finally:
        await owner.close()
    shown = await opened(wired)
    assert [(one.data, one.salt, one.erased_by) for one in shown["event-1"]] == [(None, b"", "")]
    assert [one.data for one in shown["event-2"]] == [b"2"]


async def test_a_new_master_key_wraps_and_the_old_still_unwraps(pool: Pool, signer: NoteSigner) -> None:
    """The master key is changed without an interruption; without the old one the service does not start."""
    wired = await open_log(pool, signer)
    await wired.log.append(submission(event(1, contents=(content(WORD),))))
    renewed = MasterKeys([bytes(32), bytes(range(32, 64))])
    await check_master_keys(pool, renewed)
    shown = await opened(wired, PostgresContents(pool, renewed))
    assert [one.data for one in shown["event-1"]] == [WORD]
    with pytest.raises(NotReadyError, match="1 content keys are wrapped by a master key"):
        await check_master_keys(pool, MasterKeys([bytes(32)]))
    await check_master_keys(pool, MASTERS)
