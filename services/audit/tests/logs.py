"""Databases, events and wired logs for tests."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from amas_audit.adapters.group_commit import GroupCommit
from amas_audit.adapters.master_key import MasterKeys
from amas_audit.adapters.postgres_contents import PostgresContents
from amas_audit.adapters.postgres_log import PostgresLog
from amas_audit.adapters.postgres_pool import Pool
from amas_audit.adapters.postgres_reader import PostgresReader
from amas_audit.domain.contents import Content, size_of
from amas_audit.domain.model import Event, Submission
from amas_audit.domain.retention import Retention
from amas_audit.domain.signed_note import NoteSigner
from amas_audit.telemetry import AuditTelemetry
from amas_chassis.clock import SystemClock
from amas_chassis.errors import AmasError, ErrorKind
from prometheus_client import CollectorRegistry

# Tries of a caller that is told to try again, half a second apart: a database takes its time to come back on a machine
# with much else to do.
ATTEMPTS = 240
MASTERS = MasterKeys([bytes(range(32, 64))])
RETENTION = Retention({"standard": None, "short": 30})


@dataclass(frozen=True)
class LogDatabase:
    """Where a test's log is kept; the URLs hold passwords."""

    service_dsn: str
    owner_dsn: str
    access: Any

    @property
    def eraser_dsn(self) -> str:
        """As the role that can only erase contents."""
        return _with_password(self.url_of("eraser"), self.password_file_of("eraser").read_text().strip())

    @property
    def dropper_dsn(self) -> str:
        """As the role that can only drop archived partitions."""
        return _with_password(self.url_of("dropper"), self.password_file_of("dropper").read_text().strip())

    def url_of(self, purpose: str) -> str:
        """URL of a role of one purpose, without its password."""
        return str(self.access.service_url.replace("amas_audit@", f"amas_audit_{purpose}@"))

    def password_file_of(self, purpose: str) -> Path:
        """File with that role's password."""
        files: Path = self.access.service_password_file
        return files.with_name(f"{files.name}_{purpose}")

    @classmethod
    def of(cls, access: Any) -> LogDatabase:
        """From what the fixture `database` makes."""
        return cls(
            _with_password(access.service_url, access.service_password_file.read_text().strip()),
            _with_password(access.owner_url, access.owner_password_file.read_text().strip()),
            access,
        )


@dataclass(frozen=True)
class WiredLog:
    """One service instance's way to the log."""

    log: GroupCommit
    sequencer: PostgresLog
    reader: PostgresReader
    contents: PostgresContents


async def cut(database: LogDatabase, *partitions: int) -> None:
    """Cut a log that is still empty into partitions of so many entries, instead of one of a million."""
    owner = await asyncpg.connect(database.owner_dsn)
    try:
        await owner.execute("DROP TABLE audit.entry_000000000000000")
        for entries in partitions:
            await owner.fetchval("SELECT audit.make_partition($1)", entries)
    finally:
        await owner.close()


async def open_log(pool: Pool, signer: NoteSigner) -> WiredLog:
    """What bootstrap makes of a pool and a key."""
    telemetry = AuditTelemetry(CollectorRegistry())
    sequencer = PostgresLog(
        pool, signer, MASTERS, retention=RETENTION, origin=signer.verifier.name, telemetry=telemetry
    )
    await sequencer.open()
    reader = PostgresReader(pool, key_id=lambda: signer.verifier.key_id)
    return WiredLog(
        GroupCommit(sequencer.commit, telemetry, SystemClock()), sequencer, reader, PostgresContents(pool, MASTERS)
    )


def event(number: int | str = 1, **fields: Any) -> Event:
    """An event of tenant acme; its id comes from `number`."""
    values: dict[str, Any] = {
        "id": f"event-{number}",
        "type": "dev.amas.action.intent",
        "time": "2026-11-23T10:00:00Z",
        "tenant": "acme",
        "run_id": "run-1",
        "principal": "developer",
        "data": b'{"tool":"git/git_log"}',
    }
    return Event(**(values | fields))


def content(
    data: bytes = b'"hello"', *, name: str = "input", subject: str = "", retention: str = "standard"
) -> Content:
    """A content of an event."""
    return Content(name, subject, retention, "application/json", data)


def submission(*events: Event, source: str = "policy-sidecar", fencing_token: int = 0) -> Submission:
    """What one Append asks for."""
    size = sum(len(one.data) + size_of(one.contents) + 512 for one in events)
    return Submission(events, source, fencing_token, size)


async def append_persistently(wired: WiredLog, one: Event) -> int:
    """Index of the event, appended as by a caller that does what it is told: try again with the same id."""
    for _ in range(ATTEMPTS):
        try:
            return (await wired.log.append(submission(one)))[0].index
        except AmasError as error:
            if error.kind is not ErrorKind.UNAVAILABLE:
                raise
            await asyncio.sleep(error.retry_after or 0)
    raise AssertionError("the log did not come back")


def _with_password(url: str, password: str) -> str:
    user, at, rest = url.partition("@")
    return f"{user}:{password}{at}{rest}"
