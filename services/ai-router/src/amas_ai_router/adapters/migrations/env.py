"""What alembic runs: one transaction, under a lock, so that two migrations at once do not meet."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

SCHEMA = "ai_router"
# Any number that no other migration uses: "amasrtr" as a 64-bit integer.
LOCK = 0x616D6173727472


def run() -> None:
    """Connects as the owner and upgrades."""
    engine = create_engine(context.config.attributes["url"], poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        connection.execute(text(f"SET LOCAL search_path TO {SCHEMA}"))
        context.configure(connection=connection, version_table_schema=SCHEMA)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
