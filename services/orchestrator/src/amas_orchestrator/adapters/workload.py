"""What executors have to do now, as one function of the database that whoever scales them may ask (ADR 0044).

It is no revision of the schema: no service reads it, and `migrate` makes it anew each time, whole, so that it fits the
tables of ours and of DBOS that it reads. Whoever asks gets three numbers and nothing else: the role has no right on any
table, and the function runs with its owner's.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

SCALER_ROLE = "amas_orchestrator_scaler"
_SIGNATURE = "orchestrator.workload(double precision)"
# A workflow that nobody needs to work on waits for an answer that may take longer than an orchestrator's start, or it
# is a run whose steps are all workflows of their own and wait so. Everything else that is unfinished is gone on with:
# by an executor that lives, or by whoever takes it over. A message or a notice that is due for a day is nobody's any
# more: its receiver was taken out of the settings.
_FUNCTION = """
CREATE FUNCTION orchestrator.workload(ahead_seconds double precision)
RETURNS TABLE (queued bigint, oldest_age_seconds double precision, due bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_until timestamptz := now() + make_interval(secs => ahead_seconds);
BEGIN
  RETURN QUERY
  WITH unfinished AS (
    SELECT w.workflow_uuid AS id, split_part(w.workflow_uuid, '/', 1) AS run_id
    FROM "{dbos}".workflow_status w WHERE w.status IN ('PENDING', 'ENQUEUED')
    UNION ALL  -- apart, since DBOS has an index for each of the two
    SELECT w.workflow_uuid, split_part(w.workflow_uuid, '/', 1)
    FROM "{dbos}".workflow_status w WHERE w.status = 'DELAYED'
  ), counted AS (  -- not looked for in each other: with many runs that would grow with their square
    SELECT u.id, u.run_id, count(*) OVER (PARTITION BY u.run_id) AS of_run FROM unfinished u
  ), waiting AS (
    SELECT a.workflow_id AS id FROM orchestrator.approvals a WHERE a.state = 'pending' AND a.expires_at > v_until
  ), at_work AS (
    SELECT u.run_id FROM counted u JOIN orchestrator.runs r ON r.id = u.run_id
    WHERE r.ended_at IS NULL
      AND NOT EXISTS (SELECT FROM waiting p WHERE p.id = u.id)
      AND NOT (u.id = u.run_id AND u.of_run > 1)
    UNION
    SELECT r.id FROM orchestrator.runs r WHERE r.state = 'queued'
  )
  SELECT
    (SELECT count(*) FROM orchestrator.runs r WHERE r.state = 'queued'),
    (SELECT coalesce(extract(epoch FROM now() - min(r.created_at)), 0)::double precision
       FROM orchestrator.runs r WHERE r.state = 'queued'),
    (SELECT count(*) FROM at_work)
      + (SELECT count(*) FROM orchestrator.approvals a WHERE a.wake_due)
      + (SELECT count(*) FROM orchestrator.approval_notices n JOIN orchestrator.approvals a ON a.id = n.approval_id
          WHERE NOT n.done AND n.due_at <= v_until AND a.state = 'pending')
      + (SELECT count(*) FROM orchestrator.webhook_outbox o
          WHERE o.state = 'waiting' AND o.next_at <= v_until AND o.next_at > now() - interval '1 day');
END $$
"""


def let_scaler_ask(connection: Connection, dbos_schema: str) -> None:
    """Make the function, for the scaler's role alone; an installation without that role has nobody who asks."""
    connection.exec_driver_sql(f"DROP FUNCTION IF EXISTS {_SIGNATURE}")
    connection.exec_driver_sql(_FUNCTION.replace("{dbos}", dbos_schema))
    connection.exec_driver_sql(f"REVOKE ALL ON FUNCTION {_SIGNATURE} FROM PUBLIC")
    known = text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :name)")
    if connection.scalar(known, {"name": SCALER_ROLE}):
        connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA orchestrator TO {SCALER_ROLE}")
        connection.exec_driver_sql(f"GRANT EXECUTE ON FUNCTION {_SIGNATURE} TO {SCALER_ROLE}")
