"""The embedded Postgres and Valkey are what they say."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import asyncpg
import pytest
from amas_cli.local.data_directory import REACHABLE_PARENT
from amas_cli.local.embedded_postgres import copy_installation, environment, installation_of_the_wheel
from amas_cli.local.embedded_server import EmbeddedServerError
from amas_cli.local.server_identity import ServerIdentity, refuse_foreign

pytestmark = pytest.mark.integration


async def test_a_runtime_role_owns_and_creates_nothing(database):
    """Least privilege: a service's role can connect, and can neither make nor see more than it was granted."""
    access = database("audit")
    password = access.service_password_file.read_text()
    connection = await asyncpg.connect(access.service_url, password=password)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TABLE audit.mine (x int)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TABLE public.mine (x int)")
    finally:
        await connection.close()


async def test_a_wrong_password_is_refused(database):
    """SCRAM holds on loopback too."""
    access = database("audit")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(access.service_url, password="wrong")


async def test_an_owner_role_migrates_its_schema_alone(database):
    """An owner role can make tables in its own schema."""
    access = database("audit")
    connection = await asyncpg.connect(access.owner_url, password=access.owner_password_file.read_text())
    try:
        await connection.execute("CREATE TABLE audit.mine (x int)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE SCHEMA other")
    finally:
        await connection.close()


def test_valkey_asks_for_its_password(valkey, redis_url):
    """Nobody on the machine reads the counters without the password."""
    import redis

    assert redis.Redis.from_url(redis_url).ping()
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(valkey.url).ping()


def test_a_folder_that_somebody_else_prepared_is_refused(tmp_path):
    """Data outside the state folder has a name that others can guess: theirs is never used as ours."""
    refuse_foreign(tmp_path / "not there yet", tmp_path.stat().st_uid)
    refuse_foreign(tmp_path, tmp_path.stat().st_uid)
    with pytest.raises(EmbeddedServerError, match="belongs to somebody else"):
        refuse_foreign(tmp_path, tmp_path.stat().st_uid + 1)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(EmbeddedServerError):
        refuse_foreign(tmp_path / "link", tmp_path.stat().st_uid)


def test_a_copy_of_the_wheel_for_an_unprivileged_server_runs():
    """From a checkout that another user cannot enter the server runs on a copy, whatever the umask."""
    copy = Path(tempfile.mkdtemp(dir=REACHABLE_PARENT)) / "copy"
    copy.parent.chmod(0o755)
    before = os.umask(0o077)
    try:
        copy_installation(installation_of_the_wheel(), copy)
        done = subprocess.run(
            [str(copy / "embedded_postgres" / "pginstall" / "bin" / "initdb"), "--version"],
            env=environment(),
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            **ServerIdentity.current().popen(),
        )
    finally:
        os.umask(before)
        shutil.rmtree(copy.parent)
    assert done.returncode == 0, done.stderr
    assert "PostgreSQL" in done.stdout
