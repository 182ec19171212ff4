"""Archiving and dropping beside another run of the same: both are cron jobs, and nothing keeps them apart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import asyncpg
import pytest
from amas_audit.adapters.archive_folder import ArchiveFolder
from amas_audit.adapters.partitions import Partitions
from amas_audit.adapters.postgres_dropped import BlockOwners, PostgresDropper
from amas_audit.adapters.postgres_leaves import PostgresLeaves
from amas_audit.adapters.postgres_pool import Pool
from amas_audit.domain.model import DroppedEntries
from amas_audit.domain.signed_note import NoteSigner
from amas_audit.usecases.archive_partitions import ArchivePartitions
from amas_audit.usecases.drop_partitions import DropPartitions
from amas_chassis.clock import SystemClock

from ..dropping import LOCATION, PARTITIONS, SIZE, archiving, dropping, grow
from ..logs import LogDatabase, WiredLog, cut, open_log

pytestmark = pytest.mark.integration

Other = Callable[[], Awaitable[object]]


@pytest.fixture
async def wired(pool: Pool, log_database: LogDatabase, signer: NoteSigner, tmp_path: Path) -> WiredLog:
    """A log of two full partitions, which are archived, and a third."""
    await cut(log_database, *PARTITIONS)
    opened = await open_log(pool, signer)
    await grow(opened.log, 0, SIZE)
    assert await archiving(pool, opened, signer, tmp_path / "archive")() == 768
    return opened


class Overtaken(Partitions):
    """Another run does all of its work between the first question and the second."""

    def __init__(self, pool: Pool, other: Other) -> None:
        super().__init__(pool)
        self._other: Other | None = other

    async def _overtake(self) -> None:
        other, self._other = self._other, None
        if other is not None:
            await other()

    async def closed(self, size: int) -> Sequence[tuple[int, int]]:
        found = await super().closed(size)
        await self._overtake()
        return found

    async def aged(self, size: int, days: int) -> Sequence[tuple[int, int]]:
        found = await super().aged(size, days)
        await self._overtake()
        return found

    async def dropped(self) -> DroppedEntries:
        found = await super().dropped()
        await self._overtake()
        return found


class TwiceDropper(PostgresDropper):
    """Its first answer is lost, so that it asks again."""

    async def drop(self, first: int, past: int, *, root: bytes, location: str, event_id: str) -> None:
        await super().drop(first, past, root=root, location=location, event_id=event_id)
        await super().drop(first, past, root=root, location=location, event_id=event_id)


async def _dropped(pool: Pool) -> list[tuple[int, int]]:
    return [tuple(row) for row in await pool.fetch("SELECT first, past FROM audit.dropped ORDER BY first")]


async def test_two_that_drop_at_once_end_alike(
    wired: WiredLog, pool: Pool, signer: NoteSigner, dropper: Pool, tmp_path: Path
) -> None:
    """What another run has dropped meanwhile is passed over: the log is not called damaged for it."""
    other = dropping(pool, wired, signer, tmp_path / "archive", dropper)
    verb = DropPartitions(
        wired.reader, wired.log, BlockOwners(pool), Overtaken(pool, lambda: other(days=0, location=LOCATION)),
        PostgresDropper(dropper), ArchiveFolder(tmp_path / "archive"), signer, SystemClock(), lambda _: None,
    )  # fmt: skip
    assert await verb(days=0, location=LOCATION) == 768
    assert await _dropped(pool) == [(0, 512), (512, 768)]


async def test_a_drop_whose_answer_was_lost_counts_as_done(
    wired: WiredLog, pool: Pool, signer: NoteSigner, dropper: Pool, tmp_path: Path
) -> None:
    """The database refuses to drop it again, and it is said what is so: it is in the archive alone."""
    verb = dropping(pool, wired, signer, tmp_path / "archive", TwiceDropper(dropper))
    assert await verb(days=0, location=LOCATION) == 768
    assert await _dropped(pool) == [(0, 512), (512, 768)]


async def test_an_archive_goes_on_while_another_drops(
    wired: WiredLog, pool: Pool, signer: NoteSigner, dropper: Pool, tmp_path: Path
) -> None:
    """Partitions that leave between two questions are in the archive: nothing is missing between them."""
    other = dropping(pool, wired, signer, tmp_path / "archive", dropper)
    verb = ArchivePartitions(
        wired.reader, PostgresLeaves(pool), Overtaken(pool, lambda: other(days=0, location=LOCATION)),
        ArchiveFolder(tmp_path / "archive"), signer, lambda _: None,
    )  # fmt: skip
    assert await verb() == 768
    assert await _dropped(pool) == [(0, 512), (512, 768)]


async def test_a_clock_that_stepped_back_keeps_the_order(
    wired: WiredLog, pool: Pool, signer: NoteSigner, log_database: LogDatabase, dropper: Pool, tmp_path: Path
) -> None:
    """A partition whose head was signed by a clock ahead is young, and all behind it wait for it."""
    owner = await asyncpg.connect(log_database.owner_dsn)
    try:
        await owner.execute("ALTER TABLE audit.checkpoint DISABLE TRIGGER append_only")
        await owner.execute("UPDATE audit.checkpoint SET signed_at = now() + interval '1 day' WHERE size = 600")
    finally:
        await owner.close()
    verb = dropping(pool, wired, signer, tmp_path / "archive", dropper)
    assert await verb(days=0, location=LOCATION) == 0
    assert await _dropped(pool) == []
