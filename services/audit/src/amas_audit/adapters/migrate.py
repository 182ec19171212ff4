"""Brings the schema `audit` to the newest revision, as the role that owns it. Safe to run twice, and two at once."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from amas_audit.domain.errors import NotReadyError

SCHEMA = "audit"
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
    except DBAPIError as error:
        # The driver's words alone: the wrapper's would repeat the statement.
        raise NotReadyError(f"the schema audit could not be migrated: {str(error.orig).strip()}") from error
    finally:
        engine.dispose()


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
