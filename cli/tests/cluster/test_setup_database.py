"""The database's part of setting up, on a real Postgres: as a superuser, and as managed services let one."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from amas_cli.cluster.setup.database import set_up_database
from amas_cli.cluster.setup.settings import DatabaseSetup
from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.local.database_setup import SCHEMAS, roles_of
from amas_cli.local.embedded_postgres import EmbeddedPostgres
from msgspec.structs import replace as changed

pytestmark = pytest.mark.integration
ADMIN = "managed_admin"


def given_passwords() -> dict[str, str]:
    return {role: secrets.token_urlsafe(16) for service in SCHEMAS for role in roles_of(service)}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[tuple[EmbeddedPostgres, DatabaseSetup]]:
    """A server of the test's own, since roles are the whole server's; and its administrator, who is no superuser."""
    password = tmp_path / "password"
    password.write_text(secrets.token_urlsafe(16) + "\n")
    from tests.integration.ports import free_port

    made = EmbeddedPostgres(tmp_path / "data", free_port(), password_file=password, log_file=tmp_path / "log")
    made.start()
    try:
        superuser = await asyncpg.connect(made.dsn())
        await superuser.execute(
            f"CREATE ROLE {ADMIN} LOGIN CREATEROLE CREATEDB PASSWORD '{password.read_text().strip()}'"
        )
        await superuser.close()
        yield (
            made,
            DatabaseSetup(
                enabled=True,
                host="127.0.0.1",
                port=made.port,
                admin_user=ADMIN,
                admin_password_file=str(password),
                ssl_mode="disable",
                wait_seconds=0,
            ),
        )
    finally:
        made.remove()


async def schemas_of(database: DatabaseSetup, role: str, password: str) -> tuple[set[str], set[str]]:
    """Schemas of ours that the role may use, and that it may make tables in."""
    connection = await asyncpg.connect(
        host=database.host, port=database.port, user=role, password=password, database=database.name
    )
    try:
        rows = await connection.fetch(
            "SELECT nspname, has_schema_privilege(oid, 'USAGE') AS uses, has_schema_privilege(oid, 'CREATE') AS makes "
            "FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema')"
        )
    finally:
        await connection.close()
    return {row["nspname"] for row in rows if row["uses"]}, {row["nspname"] for row in rows if row["makes"]}


async def test_an_administrator_who_is_no_superuser_sets_up_all(
    server: tuple[EmbeddedPostgres, DatabaseSetup],
) -> None:
    """As on managed servers: each role logs in with its Secret's password, and may do in its schemas what it is for."""
    _, database = server
    given = given_passwords()
    for _ in range(2):
        await set_up_database(database, given)
    for service, schemas in SCHEMAS.items():
        runtime, owner, *_ = roles_of(service)
        assert await schemas_of(database, runtime, given[runtime]) == (set(schemas), set())
        assert await schemas_of(database, owner, given[owner]) == (set(schemas), set(schemas))
    for role in ("amas_audit_eraser", "amas_audit_dropper", "amas_orchestrator_scaler"):
        assert await schemas_of(database, role, given[role]) == (set(), set())


async def test_passwords_of_the_secrets_hold(server: tuple[EmbeddedPostgres, DatabaseSetup]) -> None:
    """Who replaced a Secret runs the set-up again, and the server takes the new password alone."""
    _, database = server
    before, after = given_passwords(), given_passwords()
    await set_up_database(database, before)
    await set_up_database(database, after)
    await schemas_of(database, "amas_audit", after["amas_audit"])
    with pytest.raises(asyncpg.InvalidPasswordError):
        await schemas_of(database, "amas_audit", before["amas_audit"])


async def test_what_goes_wrong_is_a_sentence_without_the_password(
    server: tuple[EmbeddedPostgres, DatabaseSetup], tmp_path: Path
) -> None:
    """Each way to fail has its exit code and says whom to ask; no password gets into a message."""
    running, database = server
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong-secret")
    superuser = await asyncpg.connect(running.dsn())
    await superuser.execute(f"CREATE ROLE nobody LOGIN PASSWORD '{wrong.read_text()}'")
    await superuser.close()
    for bent, code in (
        (changed(database, admin_password_file=str(wrong)), ExitCode.NOT_ALLOWED),
        (changed(database, admin_user="nobody", admin_password_file=str(wrong)), ExitCode.NOT_ALLOWED),
        (changed(database, port=1), ExitCode.UNAVAILABLE),
        (changed(database, admin_password_file=str(tmp_path / "none")), ExitCode.USAGE),
    ):
        with pytest.raises(CliError) as refused:
            await set_up_database(bent, given_passwords())
        assert refused.value.exit_code is code, refused.value.message
        assert "wrong-secret" not in json.dumps([refused.value.message, refused.value.next_step])
