"""Brings the schema up to date, as the role that owns it. Safe to run twice, also at the same time."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.engine import make_url

_SCRIPTS = Path(__file__).parent / "migrations"


def migrate(dsn: str) -> None:
    """Runs every migration that has not run yet. `dsn` is the owner's, password included; never log it."""
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = make_url(dsn).set(drivername="postgresql+psycopg")
    command.upgrade(config, "head")
