"""What must hold before the service answers: the tables are there, and its role can only add to them."""

from __future__ import annotations

import asyncio
import logging

import asyncpg
from amas_chassis.errors import AmasError

from amas_audit.adapters.master_key import MasterKeys
from amas_audit.adapters.postgres_pool import START_PAUSE, Pool, unavailable_when_away
from amas_audit.domain.errors import NotReadyError

_LOG = logging.getLogger(__name__)

# The newest of adapters/migrations/versions, which a test holds it against.
REVISION = "0008"
# Privileges with which the service's role could change or drop what is acknowledged.
FORBIDDEN = ("UPDATE", "DELETE", "TRUNCATE", "TRIGGER")

_REVISION = "SELECT version_num FROM audit.alembic_version"
_EXCESSIVE = """
SELECT t.relname || ': ' || p.name FROM pg_class t, unnest($1::text[]) AS p (name)
WHERE t.relnamespace = 'audit'::regnamespace AND t.relkind IN ('r', 'p') AND has_table_privilege(t.oid, p.name)
"""
_FOREIGN_KEYS = "SELECT count(*) FROM audit.content_key WHERE substring(wrapped FOR 8) <> ALL($1::bytea[])"


async def wait_for_tables(pool: Pool, *, start_timeout: float) -> None:
    """Wait until the schema is at REVISION, or at a newer one.

    NotReadyError after `start_timeout` s, or if the role may change rows.

    Migrations are written so that the code before them works on: a canary that is taken back leaves its schema behind,
    and the stable instances must be able to start on it.
    """
    deadline = asyncio.get_running_loop().time() + start_timeout
    # Numbers of four digits, so that their order is that of their texts.
    while (found := await _revision(pool)) < REVISION:
        if asyncio.get_running_loop().time() >= deadline:
            raise NotReadyError(
                f"the schema audit is at revision {found or 'none'}, not {REVISION}: run `python -m amas_audit migrate`"
            )
        await asyncio.sleep(START_PAUSE)
    excessive = [row[0] for row in await pool.fetch(_EXCESSIVE, FORBIDDEN)]
    if excessive:
        raise NotReadyError(f"the service's role may change the log ({', '.join(excessive)}): give it its own role")
    if await pool.fetchval("SHOW fsync") != "on":
        _LOG.warning("the database runs with fsync off: what is acknowledged may be lost when the machine stops")


async def check_master_keys(pool: Pool, masters: MasterKeys) -> None:
    """NotReadyError if a content key is stored that none of the master keys unwraps; AmasError LOG_UNAVAILABLE."""
    with unavailable_when_away():
        foreign = await pool.fetchval(_FOREIGN_KEYS, masters.ids)
    if foreign:
        raise NotReadyError(
            f"{foreign} content keys are wrapped by a master key that is not in the master key file: put it back, "
            "below the newest"
        )


async def _revision(pool: Pool) -> str:
    """The schema's revision; empty while it has none or the database is away."""
    try:
        with unavailable_when_away():
            return str(await pool.fetchval(_REVISION) or "")
    except (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError, asyncpg.InvalidSchemaNameError, AmasError):
        return ""
