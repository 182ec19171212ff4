"""Entries in partitions by index; what must be unique over all of them, and what they are found by, beside them.

An entry's row keeps its leaf and no more. `event_key` makes an event's id unique in its tenant, `run_place` a place
in a run, whatever becomes of the partitions. `facet` is the index that queries use (domain/facets.py).
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

from amas_audit.domain.facets import BLOCK, describe, index_blocks
from amas_audit.domain.leaf import decode

revision = "0002"
down_revision = "0001"

TABLES = ("entry", "event_key", "run_place", "facet")
# Entries of a partition: 16 tiles of the second level.
PARTITION_ENTRIES = 1 << 20

_ENTRY = """
CREATE TABLE audit.entry (
  "index" bigint PRIMARY KEY CHECK ("index" >= 0),
  tenant text NOT NULL,
  leaf_hash bytea NOT NULL CHECK (octet_length(leaf_hash) = 32),
  leaf bytea NOT NULL
) PARTITION BY RANGE ("index")
"""
_EVENT_KEY = """
CREATE TABLE audit.event_key (
  tenant text NOT NULL,
  event_id text NOT NULL,
  "index" bigint NOT NULL CHECK ("index" >= 0),
  PRIMARY KEY (tenant, event_id)
)
"""
# What one commit added to a run. Two that began at the same place cannot both be there.
_RUN_PLACE = """
CREATE TABLE audit.run_place (
  tenant text NOT NULL,
  run_id text NOT NULL CHECK (run_id <> ''),
  first_sequence bigint NOT NULL CHECK (first_sequence > 0),
  last_sequence bigint NOT NULL CHECK (last_sequence >= first_sequence),
  PRIMARY KEY (tenant, run_id, first_sequence)
)
"""
_FACET = """
CREATE TABLE audit.facet (
  tenant text NOT NULL,
  facet text NOT NULL,
  block bigint NOT NULL CHECK (block >= 0),
  bits bit(256) NOT NULL,
  earliest bigint NOT NULL,
  latest bigint NOT NULL,
  PRIMARY KEY (tenant, facet, block)
)
"""
_MAKE_PARTITION = """
CREATE FUNCTION audit.make_partition(entries bigint) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  first bigint;
  name text;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('audit.make_partition', 0));
  SELECT coalesce(max(p.past), 0) INTO first FROM audit.partitions() p;
  name := 'entry_' || lpad(first::text, 15, '0');
  EXECUTE format('CREATE TABLE audit.%I (LIKE audit.entry INCLUDING ALL)', name);
  EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.%I '
    'FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change()', name);
  EXECUTE format('ALTER TABLE audit.entry ATTACH PARTITION audit.%I FOR VALUES FROM (%s) TO (%s)',
    name, first, first + entries);
  RETURN first + entries;
END $$
"""
# With the owner's rights, so that the service can ask for the next partition: of this form, and not many ahead.
_ADD_PARTITION = f"""
CREATE FUNCTION audit.add_partition() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  past bigint;
BEGIN
  SELECT coalesce(max(p.past), 0) INTO past FROM audit.partitions() p;
  IF past > (SELECT coalesce(max(size), 0) FROM audit.checkpoint) + {2 * PARTITION_ENTRIES} THEN
    RETURN past;
  END IF;
  RETURN audit.make_partition({PARTITION_ENTRIES});
END $$
"""  # noqa: S608 - a constant
_PARTITIONS = r"""
CREATE FUNCTION audit.partitions() RETURNS TABLE (name text, first bigint, past bigint) LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT c.relname, bounds[1]::bigint, bounds[2]::bigint
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid,
    regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''(\d+)''\) TO \(''(\d+)''\)') AS bounds
  WHERE i.inhparent = 'audit.entry'::regclass
  ORDER BY 2
$$
"""
_MOVE = (
    'INSERT INTO audit.entry SELECT "index", tenant, leaf_hash, leaf FROM audit.entry_0001',
    'INSERT INTO audit.event_key SELECT tenant, event_id, "index" FROM audit.entry_0001',
    """
    INSERT INTO audit.run_place SELECT tenant, run_id, min(run_sequence), max(run_sequence)
    FROM audit.entry_0001 WHERE run_id IS NOT NULL GROUP BY tenant, run_id
    """,
)
_BLOCK_LEAVES = 'SELECT leaf FROM audit.entry_0001 WHERE "index" >= :first AND "index" < :past ORDER BY "index"'
_WRITE_FACET = """
INSERT INTO audit.facet VALUES (:tenant, :facet, :block, cast(:bits AS bit(256)), :earliest, :latest)
"""


def upgrade() -> None:
    """Make the tables, and move what is there into them."""
    op.execute("ALTER TABLE audit.entry RENAME TO entry_0001")
    op.execute("ALTER INDEX audit.entry_pkey RENAME TO entry_0001_pkey")
    for statement in (_ENTRY, _EVENT_KEY, _RUN_PLACE, _FACET, _PARTITIONS, _MAKE_PARTITION, _ADD_PARTITION):
        op.execute(statement)
    for table in TABLES:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.{table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change()"
        )
        op.execute(f"REVOKE ALL ON audit.{table} FROM PUBLIC")
        op.execute(f"GRANT SELECT, INSERT ON audit.{table} TO amas_audit")
    for function in ("partitions()", "add_partition()", "make_partition(bigint)"):
        op.execute(f"REVOKE ALL ON FUNCTION audit.{function} FROM PUBLIC")
    for function in ("partitions()", "add_partition()"):
        op.execute(f"GRANT EXECUTE ON FUNCTION audit.{function} TO amas_audit")
    _move()
    op.execute("DROP TABLE audit.entry_0001")


def _move() -> None:
    connection = op.get_bind()
    size = connection.scalar(text('SELECT coalesce(max("index") + 1, 0) FROM audit.entry_0001')) or 0
    while connection.scalar(text(f"SELECT audit.make_partition({PARTITION_ENTRIES})")) < size + PARTITION_ENTRIES:
        pass
    for statement in _MOVE:
        op.execute(statement)
    for first in range(0, size - size % BLOCK, BLOCK):
        leaves = connection.execute(text(_BLOCK_LEAVES), {"first": first, "past": first + BLOCK})
        entries = [describe(event, source) for event, source, _ in (decode(bytes(row.leaf)) for row in leaves)]
        rows, _ = index_blocks(first, (), entries)
        values = [
            {
                "tenant": row.tenant,
                "facet": row.facet,
                "block": row.block,
                "bits": f"{row.bits:0{BLOCK}b}",
                "earliest": row.earliest,
                "latest": row.latest,
            }
            for row in rows
        ]
        connection.execute(text(_WRITE_FACET), values)


def downgrade() -> None:
    """There is no way back: a log is not dropped by a migration."""
    raise NotImplementedError("the log is not dropped by a migration")
