"""A partition is dropped only on its own record: the event whose id follows from range, root and place.

Any id that all tenants of the partition had would do before: of a log of one tenant each newer event, of any log the
record of the drop before.
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"

# As in 0007, but for `own`: the same that `domain.dropping` reckons.
_DROP = """
CREATE OR REPLACE FUNCTION audit.drop_partition(
  first_index bigint, past_index bigint, tree_root bytea, place text, event text
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
  oldest record;
  own constant text := 'dropped:' || left(encode(sha256(convert_to(
    concat_ws(chr(10), first_index, past_index, encode(tree_root, 'hex'), place), 'UTF8')), 'hex'), 32);
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
  IF event IS DISTINCT FROM own OR EXISTS (
    SELECT FROM audit.owners(first_index / 256, past_index / 256) o WHERE NOT EXISTS (
      SELECT FROM audit.event_key k WHERE k.tenant = o.tenant AND k.event_id = own AND k."index" >= past_index
    )
  ) THEN
    RAISE EXCEPTION 'that entries % to % are dropped is not on record for each of their tenants',
      first_index, past_index - 1 USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  EXECUTE format('DROP TABLE audit.%I', oldest.name);
  INSERT INTO audit.dropped (first, past, root, location, event_id)
  VALUES (first_index, past_index, tree_root, place, own);
END $$
"""


def upgrade() -> None:
    """Put the function in the place of the one before; who may call it stays."""
    op.execute(_DROP)


def downgrade() -> None:
    """There is no way back: a log is not dropped by a migration."""
    raise NotImplementedError("the log is not dropped by a migration")
