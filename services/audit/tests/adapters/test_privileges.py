from __future__ import annotations

from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from amas_audit.adapters.migrate import migrate, newest_revision
from amas_audit.adapters.postgres_pool import Pool, open_pool
from amas_audit.adapters.postgres_start import REVISION, wait_for_tables
from amas_audit.domain.errors import NotReadyError
from amas_audit.domain.signed_note import NoteSigner

from ..logs import LogDatabase, content, event, open_log, submission

pytestmark = pytest.mark.integration

CHANGES = (
    "UPDATE audit.{table} SET {column} = {column}",
    "DELETE FROM audit.{table}",
    "TRUNCATE audit.{table}",
)
DESIGNS = (
    "DROP TABLE audit.{table}",
    "ALTER TABLE audit.{table} DISABLE TRIGGER append_only",
    "ALTER TABLE audit.{table} ADD COLUMN extra int",
    "DROP TRIGGER append_only ON audit.{table}",
    "CREATE TABLE audit.{table}_copy (a int)",
)
COLUMNS = {
    "entry": "leaf",
    "entry_000000000000000": "leaf",
    "event_key": "event_id",
    "run_place": "run_id",
    "facet": "bits",
    "tile": "hashes",
    "checkpoint": "note",
    "fence": "token",
    "content_key": "retention",
    "content": "ciphertext",
    "erased_key": "event_id",
    "dropped": "location",
}
TABLES = tuple(COLUMNS)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("statement", CHANGES + DESIGNS)
async def test_the_services_role_can_only_add(table: str, statement: str, pool: Pool) -> None:
    """I9: whoever takes over the service's process still cannot change or drop what was acknowledged."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute(statement.format(table=table, column=COLUMNS[table]))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("statement", CHANGES)
async def test_a_trigger_stops_even_the_owner(
    table: str, statement: str, pool: Pool, signer: NoteSigner, log_database: LogDatabase
) -> None:
    """A slip with the owner's role changes nothing: one would have to mean it, and drop the trigger."""
    wired = await open_log(pool, signer)
    await wired.log.append(submission(event(1, contents=(content(),)), fencing_token=1))
    owner = await asyncpg.connect(log_database.owner_dsn)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="is append-only"):
            await owner.execute(statement.format(table=table, column=COLUMNS[table]))
    finally:
        await owner.close()


async def test_a_role_that_could_change_the_log_may_not_serve(log_database: LogDatabase) -> None:
    """Fail closed: a deployment that serves as the owner does not start."""
    pool = await open_pool(log_database.owner_dsn, connections=2, start_timeout=60)
    try:
        with pytest.raises(NotReadyError, match="may change the log"):
            await wait_for_tables(pool, start_timeout=1)
    finally:
        await pool.close()


async def test_migrating_twice_changes_nothing(log_database: LogDatabase, pool: Pool, signer: NoteSigner) -> None:
    """An init container may run again while the service works."""
    wired = await open_log(pool, signer)
    await wired.log.append(submission(event(1)))
    migrate(log_database.owner_dsn)
    await wait_for_tables(pool, start_timeout=1)
    assert (await wired.log.append(submission(event(2))))[0].index == 1


_SET = "UPDATE audit.alembic_version SET version_num = $1"


async def test_a_newer_schema_is_one_to_start_on(pool: Pool, log_database: LogDatabase) -> None:
    """What a canary that was taken back has left behind must not keep the stable instances from starting."""
    owner = await asyncpg.connect(log_database.owner_dsn)
    try:
        for revision, starts in (("0999", True), ("0001", False)):
            await owner.execute(_SET, revision)
            if starts:
                await wait_for_tables(pool, start_timeout=1)
            else:
                with pytest.raises(NotReadyError, match="at revision 0001"):
                    await wait_for_tables(pool, start_timeout=0.1)
    finally:
        await owner.execute(_SET, REVISION)
        await owner.close()


def test_the_code_works_with_the_newest_revision() -> None:
    """A migration without the code that it is for, or the other way round, does not get through."""
    assert newest_revision() == REVISION


def test_a_migration_without_its_database_is_a_sentence() -> None:
    """I11: whoever installs is told what is wrong, and sees neither a stack trace nor the password."""
    with pytest.raises(NotReadyError, match="could not be migrated") as refused:
        migrate("postgresql://amas_audit_owner:hush@127.0.0.1:1/amas")
    assert "hush" not in str(refused.value)


async def test_without_its_tables_the_service_does_not_start(database: Callable[[str], Any]) -> None:
    """The operator is told which command is missing."""
    made = LogDatabase.of(database("audit"))
    pool = await open_pool(made.service_dsn, connections=2, start_timeout=60)
    try:
        with pytest.raises(NotReadyError, match="run `python -m amas_audit migrate`"):
            await wait_for_tables(pool, start_timeout=0.3)
    finally:
        await pool.close()


async def test_a_database_that_is_not_there_is_waited_for_within_a_bound() -> None:
    """Start-up ends, in words, when nobody answers."""
    with pytest.raises(NotReadyError, match=r"did not answer within 0.3 s"):
        await open_pool("postgresql://amas_audit:x@127.0.0.1:1/amas", connections=2, start_timeout=0.3)


async def test_a_wrong_password_is_not_waited_for(log_database: LogDatabase) -> None:
    """What waiting does not mend is said at once, without the password."""
    scheme, user, rest = log_database.service_dsn.split(":", 2)
    dsn = f"{scheme}:{user}:wrong{rest}"
    with pytest.raises(NotReadyError, match="refused the audit service's role or password") as refused:
        await open_pool(dsn, connections=2, start_timeout=30)
    assert "wrong" not in str(refused.value)
