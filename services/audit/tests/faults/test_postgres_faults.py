"""I9 while Postgres is killed, held up, out of disk, or fails over to its replica."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from amas_audit.adapters.migrate import migrate
from amas_audit.domain.signed_note import NoteSigner
from amas_cli.local.database_setup import ensure_databases

from ..logs import LogDatabase
from ..processes import poll
from .appender import Generation
from .lives import Books, Witness, appender
from .servers import FaultyPostgres, fill, small_disk

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

# Seconds that a life waits for one answer of a database that stands still.
IMPATIENT = 1.0


@dataclass
class Stage:
    """A server with a migrated log on it."""

    server: FaultyPostgres
    dsn: str
    origin: str
    signer: NoteSigner

    def life(self, name: str, **options: Any) -> Generation:
        """A life on this server."""
        return Generation(self.dsn, self.origin, name, **options)

    @asynccontextmanager
    async def witness(self) -> AsyncIterator[Witness]:
        """An outsider who reads this server."""
        connection = await asyncpg.connect(self.dsn)
        try:
            yield Witness(connection, self.signer.verifier)
        finally:
            await connection.close()

    async def until_size(self, size: int) -> None:
        """Waits until the log on this server has so many entries."""
        async with self.witness() as witness:

            async def reached() -> bool:
                await witness.look({})
                return witness.size >= size

            await poll(reached, pause=0.05)


async def prepared(server: FaultyPostgres, signer: NoteSigner, secrets: Path) -> Stage:
    """Start the server and migrate a log on it."""
    await asyncio.to_thread(server.start)
    access = (await ensure_databases(server.dsn(), secrets, database="amas", services=["audit"]))["audit"]
    database = LogDatabase.of(access)
    await asyncio.to_thread(migrate, database.owner_dsn)
    return Stage(server, database.service_dsn, signer.verifier.name, signer)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FaultyPostgres]:
    """A server of the test's own, not started."""
    made = FaultyPostgres.at(tmp_path / "server")
    yield made
    made.remove()


async def _acknowledged(books: Books, process: Any, count: int) -> None:
    assert await process.end(until=lambda: len(books.acknowledged) >= count) is None


async def test_postgres_is_killed_again_and_again(server: FaultyPostgres, signer: NoteSigner, tmp_path: Path) -> None:
    """`kill -9` of all of Postgres in the middle of appends: after its recovery the log is whole, and goes on."""
    stage = await prepared(server, signer, tmp_path / "secrets")
    books = Books()
    async with appender(books) as process:
        for number in range(5):
            await process.begin(stage.life(f"g{number}", appends=90, again=books.unanswered()))
            await _acknowledged(books, process, len(books.acknowledged) + 60)
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
            assert await process.end() == 0
            async with stage.witness() as witness:
                await witness.look(books.acknowledged)
    assert "LOG_UNAVAILABLE" in books.refused
    assert books.unanswered() == []


async def test_a_database_that_stands_still_holds_up_and_loses_nothing(
    server: FaultyPostgres, signer: NoteSigner, tmp_path: Path
) -> None:
    """Callers are told to try again instead of waiting for ever, and all that they offered is there in the end."""
    stage = await prepared(server, signer, tmp_path / "secrets")
    books = Books()
    async with appender(books) as process:
        await process.begin(stage.life("slow", appends=300, command_timeout=IMPATIENT))
        await _acknowledged(books, process, 60)
        with server.held_up():
            assert await process.end(until=lambda: len(books.refused) >= 6) is None
        assert await process.end() == 0
    assert set(books.refused) == {"LOG_UNAVAILABLE"}
    assert books.unanswered() == []
    async with stage.witness() as witness:
        await witness.look(books.acknowledged)
        assert witness.size == len(books.offered)


async def test_out_of_disk_refuses_and_goes_on_when_there_is_room(signer: NoteSigner, tmp_path: Path) -> None:
    """A full disk is a condition, not a fault of the events: refused, nothing half-written, no acknowledgement lost."""
    try:
        disk = small_disk("160m")
        folder = disk.__enter__()
    except PermissionError as error:
        pytest.skip(f"a small disk takes the right to mount one: {error}")
    server = FaultyPostgres.at(folder, tmp_path / "superuser")
    try:
        stage = await prepared(server, signer, tmp_path / "secrets")
        books = Books()
        async with appender(books) as process:
            await process.begin(stage.life("full", appends=600))
            await _acknowledged(books, process, 60)
            ballast = await asyncio.to_thread(fill, folder)
            assert await process.end(until=lambda: len(books.refused) >= 6) is None
            ballast.unlink()
            # Where even its own journal had no room, Postgres ends itself, now or a moment later; an operator starts it
            # again.
            while (code := await process.end(until=lambda: not server.alive)) is None:
                await asyncio.to_thread(server.start)
            assert code == 0
        assert set(books.refused) == {"LOG_UNAVAILABLE"}
        assert books.unanswered() == []
        async with stage.witness() as witness:
            await witness.look(books.acknowledged)
            assert witness.size == len(books.offered)
    finally:
        server.remove()
        disk.__exit__(None, None, None)


@pytest.fixture
def standby(server: FaultyPostgres, tmp_path: Path) -> Iterator[FaultyPostgres]:
    """A second server, to be a replica of the first."""
    made = FaultyPostgres.at(tmp_path / "standby", server.password_file)
    yield made
    made.remove()


@dataclass
class Pair:
    """A primary that waits for its replica, and the log on both."""

    primary: Stage
    replica: Stage
    # Names both servers, and takes the one that writes.
    either: Stage


@pytest.fixture
async def pair(server: FaultyPostgres, standby: FaultyPostgres, signer: NoteSigner, tmp_path: Path) -> Pair:
    """As docs/runbooks/audit-outage.md asks: `synchronous_standby_names` names the replica."""
    primary = await prepared(server, signer, tmp_path / "secrets")
    await asyncio.to_thread(server.copy_to, standby)
    await asyncio.to_thread(standby.start)
    await _ask(server, "ALTER SYSTEM SET synchronous_standby_names = 'standby'", "SELECT pg_reload_conf()")
    await _until(server, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")
    here, there = f"{server.host}:{server.port}", f"{standby.host}:{standby.port}"
    replica = Stage(standby, primary.dsn.replace(here, there), primary.origin, signer)
    both = primary.dsn.replace(here, f"{here},{there}") + "?target_session_attrs=read-write"
    return Pair(primary, replica, Stage(server, both, primary.origin, signer))


async def _ask(server: FaultyPostgres, *statements: str) -> Any:
    connection = await asyncpg.connect(server.dsn())
    try:
        return [await connection.fetchval(statement) for statement in statements][-1]
    finally:
        await connection.close()


async def _until(server: FaultyPostgres, question: str) -> None:
    async def reached() -> bool:
        return bool(await _ask(server, question))

    await poll(reached, pause=0.05)


async def test_failing_over_to_the_replica_loses_nothing(pair: Pair) -> None:
    """The primary dies for good; its promoted replica has all that was acknowledged, and the same process goes on."""
    books = Books()
    async with appender(books) as process:
        await process.begin(pair.either.life("over", appends=120))
        await _acknowledged(books, process, 150)
        async with pair.primary.witness() as before:
            await before.look({})
        await asyncio.to_thread(pair.primary.server.kill)
        await _ask(pair.replica.server, "SELECT pg_promote()")
        assert await process.end() == 0
    assert books.unanswered() == []
    async with pair.replica.witness() as after:
        after.heads |= before.heads
        await after.look(books.acknowledged)
        assert after.size == len(books.offered)


WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@pytest.mark.parametrize("cancelled_by", ["time-out", "operator"])
async def test_what_the_replica_has_not_is_not_acknowledged(pair: Pair, cancelled_by: str) -> None:
    """A commit whose wait for the replica is cut short stands in the primary, and may be lost with it: neither it nor
    a retry that finds it there is acknowledged before the replica has it."""
    books = Books()
    patience = IMPATIENT if cancelled_by == "time-out" else 30.0
    async with appender(books) as process:
        assert await process.live(pair.primary.life("first", writers=1, appends=3)) == 0
        with pair.replica.server.held_up():
            await process.begin(pair.primary.life("second", writers=1, appends=3, command_timeout=patience))
            if cancelled_by == "operator":
                await _until(pair.primary.server, WAITING)
                await _ask(
                    pair.primary.server,
                    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
                )
            # A commit is seen once its wait is over.
            await pair.primary.until_size(6)
            if cancelled_by == "operator":
                await _until(pair.primary.server, WAITING)
            else:
                assert await process.end(until=lambda: len(books.refused) >= 3) is None
            async with pair.primary.witness() as witness:
                await witness.look({})
                assert witness.size == 6
            assert len(books.acknowledged) == 3
        assert await process.end() == 0
    assert books.unanswered() == []
    await asyncio.to_thread(pair.primary.server.kill)
    await _ask(pair.replica.server, "SELECT pg_promote()")
    async with pair.replica.witness() as after:
        await after.look(books.acknowledged)
