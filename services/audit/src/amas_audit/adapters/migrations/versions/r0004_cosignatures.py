"""Cosignatures of witnesses on checkpoints: a few rows a second at most, only ever inserted."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

_COSIGNATURE = """
CREATE TABLE audit.cosignature (
  size bigint NOT NULL CHECK (size >= 0),
  witness text NOT NULL,
  key_id bytea NOT NULL CHECK (octet_length(key_id) = 4),
  line text NOT NULL,
  cosigned_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (size, witness, key_id)
)
"""


def upgrade() -> None:
    """Make the table, and give the service's role what it needs of it."""
    op.execute(_COSIGNATURE)
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.cosignature "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change()"
    )
    op.execute("REVOKE ALL ON audit.cosignature FROM PUBLIC")
    op.execute("GRANT SELECT, INSERT ON audit.cosignature TO amas_audit")


def downgrade() -> None:
    """There is no way back: a log is not dropped by a migration."""
    raise NotImplementedError("the log is not dropped by a migration")
