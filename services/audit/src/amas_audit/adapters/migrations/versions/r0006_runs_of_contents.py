"""A content knows its run, so that the runs which hold a person's data are found without reading a leaf.

Contents that an instance of the revision before appends while this one is rolled out count as outside of any run.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import Connection, text

from amas_audit.domain.leaf import decode

revision = "0006"
down_revision = "0005"

# Entries whose contents are filled in at once.
PORTION = 5_000
_LEAVES = text("""
SELECT e."index" AS place, e.leaf FROM audit.entry e
WHERE e."index" IN (SELECT DISTINCT c."index" FROM audit.content c WHERE c."index" > :after ORDER BY 1 LIMIT :limit)
ORDER BY e."index"
""")
_FILL = text('UPDATE audit.content SET run_id = :run WHERE "index" = :place')


def upgrade() -> None:
    """Add the run, fill it in from the leaves, and let the index of keys lead to it."""
    # Ordered by its bytes, so that ids come in one order whatever the database's collation is.
    op.execute("ALTER TABLE audit.content ADD COLUMN run_id text COLLATE \"C\" NOT NULL DEFAULT ''")
    op.execute("ALTER TABLE audit.content DISABLE TRIGGER append_only")
    fill(op.get_bind())
    op.execute("ALTER TABLE audit.content ENABLE TRIGGER append_only")
    op.execute("DROP INDEX audit.content_of_key")
    op.execute('CREATE INDEX content_of_key ON audit.content (key_id, run_id, "index")')


def fill(connection: Connection) -> None:
    """Write the run of each content's event beside it. By our own reader: Postgres's takes no escaped NUL."""
    after = -1
    while rows := connection.execute(_LEAVES, {"after": after, "limit": PORTION}).all():
        runs = [{"place": row.place, "run": decode(bytes(row.leaf))[0].run_id} for row in rows]
        connection.execute(_FILL, runs)
        after = rows[-1].place


def downgrade() -> None:
    """There is no way back: a log is not dropped by a migration."""
    raise NotImplementedError("the log is not dropped by a migration")
