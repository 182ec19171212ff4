"""What is measured: the log's own adapters on a Postgres of the benchmark's, on this machine's disk."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from amas_audit.adapters.migrate import migrate
from amas_audit.adapters.postgres_pool import Pool, open_pool
from amas_audit.domain.model import Event, Submission
from amas_audit.domain.signed_note import NoteSigner
from amas_cli.local.data_directory import REACHABLE_PARENT
from amas_cli.local.database_setup import ensure_databases, ensure_password
from amas_cli.local.embedded_postgres import EmbeddedPostgres
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.audit.tests.logs import LogDatabase, WiredLog, event, open_log, submission

from ..router.processes import free_port

ORIGIN = "amas.bench/audit"
# Bytes of an event's leaf, about: what the aims speak of.
EVENT_BYTES = 1024
# Events of one submission, as a service's batches bring them, and submissions under way.
BATCH = 64
WRITERS = 48
# Runs that the events are spread over.
RUNS = 64
_DATA = b'{"action":{"tool":"git/git_log"},"decision":{"effect":"allow","id":"1","reasons":[]},"noise":"%s"}'


@dataclass(frozen=True)
class Stage:
    """A log on its database, a connection for plain statements beside it, and a folder on the same disk."""

    wired: WiredLog
    pool: Pool
    plain: asyncpg.Connection
    signer: NoteSigner
    folder: Path
    postgres_version: str


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    """Starts Postgres with its durable settings and migrates a log; all of it is gone afterwards."""
    folder = _folder()
    password = folder / "superuser"
    ensure_password(password)
    server = EmbeddedPostgres(folder / "data", free_port(), password_file=password, log_file=folder / "log")
    await asyncio.to_thread(server.start)
    try:
        access = (await ensure_databases(server.dsn(), folder / "secrets", database="amas", services=["audit"]))[
            "audit"
        ]
        database = LogDatabase.of(access)
        await asyncio.to_thread(migrate, database.owner_dsn)
        signer = NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(os.urandom(32)))
        pool = await open_pool(database.service_dsn, connections=4, start_timeout=30)
        plain = await asyncpg.connect(server.dsn())
        try:
            version = await plain.fetchval("SHOW server_version")
            yield Stage(await open_log(pool, signer), pool, plain, signer, folder, version)
        finally:
            await plain.close()
            await pool.close()
    finally:
        await asyncio.to_thread(server.stop)
        shutil.rmtree(folder)


def _folder() -> Path:
    """A folder that Postgres's own user can reach."""
    folder = Path(tempfile.mkdtemp(prefix="amas-bench-audit-", dir=REACHABLE_PARENT))
    folder.chmod(0o755)
    return folder


def events(name: str, count: int) -> list[Event]:
    """Events whose leaves have about EVENT_BYTES, no two alike."""
    made = []
    for number in range(count):
        noise = os.urandom((EVENT_BYTES - 442) // 2).hex()
        data = _DATA % noise.encode()
        made.append(event(f"{name}-{number}", run_id=f"run-{name}-{number % RUNS}", step="step-1", data=data))
    return made


def submissions(name: str, count: int) -> list[Submission]:
    """The events in batches."""
    made = events(name, count)
    return [submission(*made[start : start + BATCH]) for start in range(0, count, BATCH)]
