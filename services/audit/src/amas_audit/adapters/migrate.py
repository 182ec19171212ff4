"""Brings the schema `audit` to the newest revision, as the role that owns it. Safe to run twice, and two at once."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from amas_audit.domain.errors import NotReadyError

SCHEMA = "audit"
# May drop archived partitions, and nothing else. Optional: a log that drops nothing needs no such role.
DROPPER = "amas_audit_dropper"
_DROP = "audit.drop_partition(bigint, bigint, bytea, text, text)"
_CAN_BE_LET_IN = """
SELECT to_regprocedure(:function) IS NOT NULL AND EXISTS (SELECT FROM pg_roles WHERE rolname = :name)
"""
_LET_IN = (f"GRANT USAGE ON SCHEMA audit TO {DROPPER}", f"GRANT EXECUTE ON FUNCTION {_DROP} TO {DROPPER}")
# Key of the lock under which migrations run: the bytes "amas-mig".
MIGRATION_LOCK = 0x616D61732D6D6967
# Seconds to wait for the database to take the connection.
CONNECT_TIMEOUT = 10


def migrate(owner_dsn: str) -> None:
    """Run what is missing. NotReadyError, in a sentence, if the database is away or refuses."""
    url = make_url(owner_dsn).set(drivername="postgresql+psycopg")
    engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": CONNECT_TIMEOUT})
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            _let_in_dropper(connection)
    except DBAPIError as error:
        # The driver's words alone: the wrapper's would repeat the statement.
        raise NotReadyError(f"the schema audit could not be migrated: {str(error.orig).strip()}") from error
    finally:
        engine.dispose()


def _let_in_dropper(connection: Connection) -> None:
    """Here and not in a migration, since the role may be made later."""
    if connection.scalar(text(_CAN_BE_LET_IN), {"function": _DROP, "name": DROPPER}):
        for grant in _LET_IN:
            connection.execute(text(grant))


def newest_revision() -> str:
    """The revision that this code works with."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise RuntimeError("there are no migrations")
    return head


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
