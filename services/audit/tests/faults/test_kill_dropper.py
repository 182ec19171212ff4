"""`kill -9` while archived partitions are dropped: nothing is lost, and the next run ends what was begun."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from amas_audit.adapters.archive_folder import ArchiveFolder
from amas_audit.adapters.postgres_pool import Pool, open_pool
from amas_audit.domain.signed_note import NoteSigner
from amas_audit.usecases.check_archive import CheckArchive

from ..dropping import LOCATION, PARTITIONS, SIZE, archiving, dropping, grow
from ..logs import LogDatabase, cut, open_log
from ..processes import ROOT
from .dropper import POINTS

pytestmark = pytest.mark.integration

_EVENTS = "SELECT count(*) FROM audit.event_key WHERE event_id LIKE 'dropped:%'"
_DROPPED = "SELECT first, past FROM audit.dropped ORDER BY first"


async def test_a_drop_that_was_killed_anywhere_is_finished_by_the_next(
    pool: Pool, log_database: LogDatabase, signer: NoteSigner, tmp_path: Path
) -> None:
    """At each point: every entry is in the database or said to be dropped, never neither; then each is said once."""
    await cut(log_database, *PARTITIONS)
    wired = await open_log(pool, signer)
    await grow(wired.log, 0, SIZE)
    await archiving(pool, wired, signer, tmp_path / "archive")()
    for point in POINTS:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.audit.tests.faults.dropper", point, str(tmp_path / "archive"),
            signer.verifier.name, cwd=ROOT, stdin=subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(120):
            await process.communicate(f"{log_database.service_dsn} {log_database.dropper_dsn}".encode())
        assert process.returncode == -signal.SIGKILL, point
        dropped, oldest = await _seen(pool)
        assert oldest == dropped, point
    dropper = await open_pool(log_database.dropper_dsn, connections=1, start_timeout=60)
    try:
        wired = await open_log(pool, signer)
        assert await dropping(pool, wired, signer, tmp_path / "archive", dropper)(days=0, location=LOCATION) == 768
    finally:
        await dropper.close()
    assert [tuple(row) for row in await pool.fetch(_DROPPED)] == [(0, 512), (512, 768)]
    assert await pool.fetchval(_EVENTS) == 4
    assert await pool.fetchval('SELECT count(*) FROM audit.entry WHERE "index" < $1', SIZE) == SIZE - 768
    shutil.copytree(tmp_path / "archive", tmp_path / "copy")
    assert CheckArchive(ArchiveFolder(tmp_path / "copy"), signer)() == 768


async def _seen(pool: Pool) -> tuple[int, int]:
    """Where what is said to be dropped ends, and the first entry that is there; nothing is dropped in between."""
    # What a dead process had asked for may still come to be, before this or after it.
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE ONLY audit.entry IN ACCESS SHARE MODE")
        dropped = await connection.fetchval("SELECT coalesce(max(past), 0) FROM audit.dropped")
        return dropped, await connection.fetchval('SELECT min("index") FROM audit.entry')
