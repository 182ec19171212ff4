"""Contents of events: encrypted, apart from the leaves that commit to them, under a key for each subject and class.

Inserted by the service's role, which can neither change nor erase them.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

TABLES = ("content_key", "content", "erased_key")

_KEY = """
CREATE TABLE audit.content_key (
  key_id uuid PRIMARY KEY,
  tenant text NOT NULL,
  subject text NOT NULL,
  retention text NOT NULL,
  wrapped bytea NOT NULL,
  opened_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""
_CONTENT = """
CREATE TABLE audit.content (
  "index" bigint NOT NULL CHECK ("index" >= 0),
  name text NOT NULL,
  key_id uuid NOT NULL,
  ciphertext bytea NOT NULL,
  PRIMARY KEY ("index", name)
)
"""
_ERASED = """
CREATE TABLE audit.erased_key (
  key_id uuid PRIMARY KEY,
  tenant text NOT NULL,
  event_id text NOT NULL,
  erased_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""
_INDEXES = (
    "CREATE INDEX content_key_subject ON audit.content_key (tenant, subject, retention, opened_at)",
    "CREATE INDEX content_of_key ON audit.content (key_id)",
)


def upgrade() -> None:
    """Make the tables, and give the service's role what it needs of them."""
    for statement in (_KEY, _CONTENT, _ERASED, *_INDEXES):
        op.execute(statement)
    # Ciphertexts do not compress.
    op.execute("ALTER TABLE audit.content ALTER COLUMN ciphertext SET STORAGE EXTERNAL")
    for table in TABLES:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.{table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change()"
        )
        op.execute(f"REVOKE ALL ON audit.{table} FROM PUBLIC")
        op.execute(f"GRANT SELECT, INSERT ON audit.{table} TO amas_audit")


def downgrade() -> None:
    """There is no way back: a log is not dropped by a migration."""
    raise NotImplementedError("the log is not dropped by a migration")
