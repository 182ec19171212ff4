"""Archived partitions can be dropped, oldest first, by a function that one role may call, and only on record.

`dropped` says which entries are in the archive alone, and where that is. Their hashes, keys and places in runs stay, so
that proofs hold and ids stay unique. The role is optional: `migrate` lets it in once it is there.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"

_DROPPED = """
CREATE TABLE audit.dropped (
  first bigint PRIMARY KEY CHECK (first >= 0),
  past bigint NOT NULL UNIQUE CHECK (past > first),
  root bytea NOT NULL CHECK (octet_length(root) = 32),
  location text NOT NULL CHECK (location <> ''),
  event_id text NOT NULL,
  dropped_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""
# Every entry has the facet '' of its tenant. From one tenant to the next by the index, not through all of it.
_OWNERS = """
CREATE FUNCTION audit.owners(first_block bigint, past_block bigint) RETURNS TABLE (tenant text, entries bigint)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH RECURSIVE named (tenant) AS (
    (SELECT f.tenant FROM audit.facet f ORDER BY f.tenant LIMIT 1)
    UNION ALL
    SELECT (SELECT f.tenant FROM audit.facet f WHERE f.tenant > n.tenant ORDER BY f.tenant LIMIT 1)
    FROM named n WHERE n.tenant IS NOT NULL
  )
  SELECT f.tenant, sum(bit_count(f.bits))::bigint
  FROM named n JOIN audit.facet f ON f.tenant = n.tenant
  WHERE f.facet = '' AND f.block >= first_block AND f.block < past_block
  GROUP BY f.tenant ORDER BY f.tenant
$$
"""
# With the owner's rights. A query that is under way holds the table for a moment: appends must not wait long for it.
_DROP = """
CREATE FUNCTION audit.drop_partition(first_index bigint, past_index bigint, tree_root bytea, place text, event text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
  oldest record;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('audit.make_partition', 0));
  SELECT p.name, p.first, p.past INTO oldest FROM audit.partitions() p ORDER BY p.first LIMIT 1;
  IF oldest.first IS DISTINCT FROM first_index OR oldest.past IS DISTINCT FROM past_index THEN
    RAISE EXCEPTION 'entries % to % are not the oldest partition', first_index, past_index - 1
      USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  IF past_index > (SELECT coalesce(max(c.size), 0) FROM audit.checkpoint c)
    OR NOT EXISTS (SELECT FROM audit.partitions() p WHERE p.first = past_index) THEN
    RAISE EXCEPTION 'the partition of entries % to % is not full, or the last', first_index, past_index - 1
      USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  IF EXISTS (
    SELECT FROM audit.owners(first_index / 256, past_index / 256) o WHERE NOT EXISTS (
      SELECT FROM audit.event_key k WHERE k.tenant = o.tenant AND k.event_id = event AND k."index" >= past_index
    )
  ) THEN
    RAISE EXCEPTION 'that entries % to % are dropped is not on record for each of their tenants',
      first_index, past_index - 1 USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  EXECUTE format('DROP TABLE audit.%I', oldest.name);
  INSERT INTO audit.dropped (first, past, root, location, event_id)
  VALUES (first_index, past_index, tree_root, place, event);
END $$
"""


def upgrade() -> None:
    """Make the table and the functions; nobody but the owner may drop yet."""
    for statement in (_DROPPED, _OWNERS, _DROP):
        op.execute(statement)
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.dropped "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change()"
    )
    op.execute("REVOKE ALL ON audit.dropped FROM PUBLIC")
    op.execute("GRANT SELECT ON audit.dropped TO amas_audit")
    for function in ("owners(bigint, bigint)", "drop_partition(bigint, bigint, bytea, text, text)"):
        op.execute(f"REVOKE ALL ON FUNCTION audit.{function} FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION audit.owners(bigint, bigint) TO amas_audit")


def downgrade() -> None:
    """There is no way back: a log is not dropped by a migration."""
    raise NotImplementedError("the log is not dropped by a migration")
