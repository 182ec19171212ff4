"""An erasure that was on record and not done yet is done when it is asked for again, whatever happened meanwhile."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from amas_audit.adapters.postgres_eraser import PostgresEraser
from amas_audit.adapters.postgres_pool import Pool, open_pool
from amas_audit.domain.errors import log_unavailable
from amas_audit.domain.model import EventFilter
from amas_audit.domain.signed_note import NoteSigner
from amas_audit.usecases.erase_contents import EraseContents
from amas_chassis.clock import SystemClock
from amas_chassis.errors import AmasError

from ..dropping import LOCATION, archiving, dropping
from ..logs import LogDatabase, WiredLog, content, cut, event, open_log, submission

pytestmark = pytest.mark.integration


class CutOff(PostgresEraser):
    """Its database goes away once, between record and deed."""

    ready = False

    async def destroy(self, keys: Sequence[str], event_id: str) -> None:
        if not self.ready:
            self.ready = True
            raise log_unavailable()
        await super().destroy(keys, event_id)


@pytest.fixture
async def wired(pool: Pool, log_database: LogDatabase, signer: NoteSigner) -> WiredLog:
    """A log of small partitions, with something that alice said."""
    await cut(log_database, 256, 1024)
    opened = await open_log(pool, signer)
    await opened.log.append(submission(event(0, contents=(content(subject="alice"),))))
    return opened


@pytest.fixture
async def erase(wired: WiredLog, log_database: LogDatabase) -> AsyncIterator[EraseContents]:
    """Erases, and was cut off after it had said so."""
    erasers = await open_pool(log_database.eraser_dsn, connections=1, start_timeout=60)
    verb = EraseContents(wired.log, CutOff(erasers), SystemClock())
    with pytest.raises(AmasError, match="cannot be reached"):
        await verb("acme", "alice", principal="dpo", dry_run=False)
    yield verb
    await erasers.close()


async def test_contents_that_came_meanwhile_go_too_and_are_counted(
    wired: WiredLog, erase: EraseContents, pool: Pool
) -> None:
    """They are under the same key. What was said of fewer stands, and what is so is said beside it."""
    await wired.log.append(submission(event("more", contents=(content(b'"more"', subject="alice"),))))
    assert (await erase("acme", "alice", principal="dpo", dry_run=False)).contents == 2
    assert await pool.fetchval("SELECT count(*) FROM audit.content") == 0
    page = await wired.reader.entries(
        EventFilter(tenant="acme", type="dev.amas.audit.erased"), start=0, end=None, limit=10, max_bytes=1 << 20
    )
    assert [json.loads(entry.event.data)["contents"] for entry in page.entries] == [1, 2]


async def test_its_record_may_be_in_the_archive_alone(
    wired: WiredLog, erase: EraseContents, pool: Pool, signer: NoteSigner, log_database: LogDatabase, tmp_path: Path
) -> None:
    """Nobody's data stays because the log has become shorter since."""
    await wired.log.append(submission(*(event(n) for n in range(1, 300))))
    await archiving(pool, wired, signer, tmp_path / "archive")()
    dropper = await open_pool(log_database.dropper_dsn, connections=1, start_timeout=60)
    try:
        assert await dropping(pool, wired, signer, tmp_path / "archive", dropper)(days=0, location=LOCATION) == 256
    finally:
        await dropper.close()
    assert (await erase("acme", "alice", principal="dpo", dry_run=False)).contents == 1
    assert await pool.fetchval("SELECT count(*) FROM audit.content") == 0
