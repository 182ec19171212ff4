"""The embedded Postgres and Valkey are what they say."""

from __future__ import annotations

import asyncpg
import pytest

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
