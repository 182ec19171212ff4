"""The log: entries, full tiles, signed checkpoints and seen fencing tokens. All are only ever inserted.

The service's role may insert and select. Triggers refuse change even to the owner, who would have to drop them first.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

TABLES = ("entry", "tile", "checkpoint", "fence")

_ENTRY = """
CREATE TABLE audit.entry (
  "index" bigint PRIMARY KEY CHECK ("index" >= 0),
  tenant text NOT NULL,
  event_id text NOT NULL,
  run_id text CHECK (run_id <> ''),
  run_sequence bigint CHECK (run_sequence > 0),
  trace_id text,
  principal text,
  type text NOT NULL,
  leaf_hash bytea NOT NULL CHECK (octet_length(leaf_hash) = 32),
  leaf bytea NOT NULL,
  CHECK ((run_id IS NULL) = (run_sequence IS NULL)),
  UNIQUE (tenant, event_id)
)
"""
_TILE = """
CREATE TABLE audit.tile (
  level smallint NOT NULL CHECK (level >= 0),
  position bigint NOT NULL CHECK (position >= 0),
  root bytea NOT NULL CHECK (octet_length(root) = 32),
  hashes bytea NOT NULL CHECK (octet_length(hashes) = 8192),
  PRIMARY KEY (level, position)
)
"""
_CHECKPOINT = """
CREATE TABLE audit.checkpoint (
  size bigint NOT NULL CHECK (size >= 0),
  key_id bytea NOT NULL CHECK (octet_length(key_id) = 4),
  root bytea NOT NULL CHECK (octet_length(root) = 32),
  note text NOT NULL,
  signed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (size, key_id)
)
"""
_FENCE = """
CREATE TABLE audit.fence (
  tenant text NOT NULL,
  run_id text NOT NULL,
  token bigint NOT NULL CHECK (token > 0),
  seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant, run_id, token)
)
"""
_INDEXES = (
    "CREATE UNIQUE INDEX entry_run ON audit.entry (tenant, run_id, run_sequence) WHERE run_id IS NOT NULL",
    'CREATE INDEX entry_trace ON audit.entry (tenant, trace_id, "index") WHERE trace_id IS NOT NULL',
    'CREATE INDEX entry_principal ON audit.entry (tenant, principal, "index") WHERE principal IS NOT NULL',
    'CREATE INDEX entry_type ON audit.entry (tenant, type, "index")',
)
_REFUSE = """
CREATE FUNCTION audit.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit.% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$
"""


def upgrade() -> None:
    """Make the tables, and give the service's role what it needs of them."""
    for statement in (_ENTRY, _TILE, _CHECKPOINT, _FENCE, *_INDEXES, _REFUSE):
        op.execute(statement)
    # Hashes do not compress; stored apart and as they are, they cost nothing to look at the rest of the row.
    op.execute("ALTER TABLE audit.tile ALTER COLUMN hashes SET STORAGE EXTERNAL")
    for table in TABLES:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.{table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change()"
        )
        op.execute(f"REVOKE ALL ON audit.{table} FROM PUBLIC")
        op.execute(f"GRANT SELECT, INSERT ON audit.{table} TO amas_audit")
    op.execute("GRANT USAGE ON SCHEMA audit TO amas_audit")
    op.execute("GRANT SELECT ON audit.alembic_version TO amas_audit")


def downgrade() -> None:
    """There is no way back: a log is not dropped by a migration."""
    raise NotImplementedError("the log is not dropped by a migration")
