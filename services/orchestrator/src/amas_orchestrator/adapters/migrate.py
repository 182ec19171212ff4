"""Brings the schemas `orchestrator` and `dbos` to what this code works with, as the role that owns both.

Safe to run twice, and two at once. The service itself never changes a schema: its role may not.
"""

from __future__ import annotations

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from dbos import DBOS
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from .workload import let_scaler_ask

SERVICE_ROLE = "amas_orchestrator"
# Key of the lock under which our migrations run: the bytes "amas-orc". DBOS takes a lock of its own.
MIGRATION_LOCK = 0x616D61732D6F7263
# Seconds to wait for the database to take the connection.
CONNECT_TIMEOUT = 10


class MigrationError(Exception):
    """The database is away or refuses; the text is one sentence for the operator and names no password."""


def migrate(owner_dsn: str, dbos_schema: str) -> None:
    """Run what is missing. Raises MigrationError if the database is away or refuses."""
    logging.getLogger("dbos").setLevel(logging.WARNING)
    url = make_url(owner_dsn).set(drivername="postgresql+psycopg")
    engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": CONNECT_TIMEOUT})
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            DBOS.migrate(owner_dsn, schema=dbos_schema, application_role=SERVICE_ROLE)
            let_scaler_ask(connection, dbos_schema)
    except SQLAlchemyError as error:
        place = url.render_as_string(hide_password=True)
        raise MigrationError(f"the database at {place} cannot be migrated: {_first_line(error)}") from error
    finally:
        engine.dispose()


def _first_line(error: SQLAlchemyError) -> str:
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().partition("\n")[0]


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
