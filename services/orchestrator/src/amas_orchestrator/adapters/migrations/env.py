"""Alembic's entry: runs the revisions in the transaction that `migrate` opened. It never opens a connection itself."""

from __future__ import annotations

from alembic import context


def run() -> None:
    """Run them, and note the revision in the schema itself."""
    context.configure(
        connection=context.config.attributes["connection"],
        version_table_schema="orchestrator",
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
