"""Brings the schema up to date, as the role that owns it. Safe to run twice, also at the same time."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

_SCRIPTS = Path(__file__).parent / "migrations"


class MigrationError(Exception):
    """The database cannot be reached or entered; the text names no password."""


def migrate(dsn: str) -> None:
    """Runs every migration that has not run yet. `dsn` is the owner's, password included; never log it.

    Raises MigrationError.
    """
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    url = make_url(dsn).set(drivername="postgresql+psycopg")
    config.attributes["url"] = url
    try:
        command.upgrade(config, "head")
    except OperationalError as error:
        place = url.render_as_string(hide_password=True)
        raise MigrationError(f"the database at {place} cannot be migrated: {error.orig}") from error
