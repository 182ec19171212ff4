"""A log of small partitions with two tenants, and what archives and drops them, for tests."""

from __future__ import annotations

from pathlib import Path

import asyncpg
from amas_audit.adapters.archive_folder import ArchiveFolder
from amas_audit.adapters.group_commit import GroupCommit
from amas_audit.adapters.partitions import Partitions
from amas_audit.adapters.postgres_dropped import BlockOwners, PostgresDropper
from amas_audit.adapters.postgres_leaves import PostgresLeaves
from amas_audit.adapters.postgres_pool import Pool
from amas_audit.domain.signed_note import NoteSigner
from amas_audit.ports import Dropper, Log
from amas_audit.usecases.archive_partitions import ArchivePartitions
from amas_audit.usecases.drop_partitions import DropPartitions
from amas_chassis.clock import SystemClock

from .logs import WiredLog, event, submission

# Entries of the partitions, and of the log: two are full, and the third is not. Every fourth entry is of globex.
PARTITIONS = (512, 256, 1024)
SIZE = 900
LOCATION = "s3://records/audit"


def tenant_of(number: int) -> str:
    """Whose the entry of a number is."""
    return "globex" if number % 4 == 3 else "acme"


async def grow(log: GroupCommit, start: int, end: int) -> None:
    """Append events of these numbers, three runs of acme's and one of globex's, in the order of their numbers."""
    for first in range(start, end, 150):
        numbers = range(first, min(first + 150, end))
        events = (event(n, tenant=tenant_of(n), run_id=f"run-{n % 4}", time=time_of(n)) for n in numbers)
        await log.append(submission(*events))


def time_of(number: int) -> str:
    """A second later for each."""
    return f"2026-11-23T{10 + number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"


def archiving(pool: Pool, wired: WiredLog, signer: NoteSigner, folder: Path) -> ArchivePartitions:
    """As bootstrap wires it."""
    files = ArchiveFolder(folder)
    return ArchivePartitions(wired.reader, PostgresLeaves(pool), Partitions(pool), files, signer, lambda _: None)


def dropping(
    pool: Pool,
    wired: WiredLog,
    signer: NoteSigner,
    folder: Path,
    dropper: Pool | Dropper,
    log: Log | None = None,
) -> DropPartitions:
    """As bootstrap wires it, but for what is handed in."""
    drops = PostgresDropper(dropper) if isinstance(dropper, asyncpg.Pool) else dropper
    return DropPartitions(
        wired.reader, log or wired.log, BlockOwners(pool), Partitions(pool), drops, ArchiveFolder(folder), signer,
        SystemClock(), lambda _: None,
    )  # fmt: skip
