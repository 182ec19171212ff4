"""Runs with their events, approvals, bundles and executors.

Events are written by one function, so that a turn costs one round trip and sequences have no gap: it locks the run,
holds the fencing token against it, writes what is not there yet, and keeps the run's own columns in step with it.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

_RUNS = """
CREATE TABLE orchestrator.runs (
  id text PRIMARY KEY,
  tenant text NOT NULL,
  requester text NOT NULL,
  principal jsonb NOT NULL,
  orchestration text NOT NULL,
  orchestration_version text NOT NULL,
  bundle text NOT NULL,
  state text NOT NULL,
  traceparent text NOT NULL,
  input_json text NOT NULL,
  output_json text NOT NULL DEFAULT '',
  reason jsonb,
  cancel jsonb,
  created_at timestamptz NOT NULL,
  started_at timestamptz,
  ended_at timestamptz,
  fencing_token bigint NOT NULL DEFAULT 1 CHECK (fencing_token > 0),
  last_sequence bigint NOT NULL DEFAULT 0,
  input_tokens bigint NOT NULL DEFAULT 0,
  cached_input_tokens bigint NOT NULL DEFAULT 0,
  output_tokens bigint NOT NULL DEFAULT 0,
  cost numeric NOT NULL DEFAULT 0,
  currency text NOT NULL DEFAULT '',
  estimated boolean NOT NULL DEFAULT false,
  idempotency_key text NOT NULL DEFAULT '',
  request_digest text NOT NULL
)
"""
_EVENTS = """
CREATE TABLE orchestrator.run_events (
  run_id text NOT NULL REFERENCES orchestrator.runs (id),
  sequence bigint NOT NULL CHECK (sequence > 0),
  key text NOT NULL,
  kind text NOT NULL,
  time timestamptz NOT NULL,
  step text NOT NULL,
  payload jsonb NOT NULL,
  PRIMARY KEY (run_id, sequence),
  UNIQUE (run_id, key)
)
"""
_APPROVALS = """
CREATE TABLE orchestrator.approvals (
  id text PRIMARY KEY,
  tenant text NOT NULL,
  run_id text NOT NULL REFERENCES orchestrator.runs (id),
  workflow_id text NOT NULL,
  step text NOT NULL,
  kind text NOT NULL,
  state text NOT NULL,
  requester text NOT NULL,
  role text NOT NULL,
  purpose text NOT NULL,
  tool text NOT NULL,
  arguments_json text NOT NULL,
  action_digest text NOT NULL,
  bundle text NOT NULL,
  reasons jsonb NOT NULL,
  requirement jsonb NOT NULL,
  requested_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  wake_due boolean NOT NULL DEFAULT false
)
"""
_ANSWERS = """
CREATE TABLE orchestrator.approval_answers (
  approval_id text NOT NULL REFERENCES orchestrator.approvals (id),
  approver text NOT NULL,
  approved boolean NOT NULL,
  reason text NOT NULL,
  groups jsonb NOT NULL,
  time timestamptz NOT NULL,
  PRIMARY KEY (approval_id, approver)
)
"""
_BUNDLES = """
CREATE TABLE orchestrator.bundles (
  tenant text NOT NULL,
  digest text NOT NULL,
  content bytea NOT NULL,
  created_at timestamptz NOT NULL,
  created_by text NOT NULL,
  PRIMARY KEY (tenant, digest)
)
"""
_ACTIVE = """
CREATE TABLE orchestrator.active_bundles (
  tenant text PRIMARY KEY,
  digest text NOT NULL,
  FOREIGN KEY (tenant, digest) REFERENCES orchestrator.bundles (tenant, digest)
)
"""
_EXECUTORS = """
CREATE TABLE orchestrator.executors (
  id text PRIMARY KEY,
  state text NOT NULL CHECK (state IN ('alive', 'released', 'dead')),
  lease_until timestamptz NOT NULL,
  claimed_by text,
  claimed_until timestamptz
)
"""
_INDEXES = (
    """CREATE UNIQUE INDEX runs_idempotency ON orchestrator.runs (tenant, requester, idempotency_key)
    WHERE idempotency_key <> ''""",
    "CREATE INDEX runs_tenant ON orchestrator.runs (tenant, id DESC)",
    "CREATE INDEX runs_queued ON orchestrator.runs (created_at) WHERE state = 'queued'",
    "CREATE INDEX approvals_tenant ON orchestrator.approvals (tenant, requested_at DESC, id DESC)",
    "CREATE INDEX approvals_run ON orchestrator.approvals (run_id)",
    "CREATE INDEX approvals_wake ON orchestrator.approvals (id) WHERE wake_due",
)
_RECORD = """
CREATE FUNCTION orchestrator.record_events(
  p_run text, p_token bigint, p_keys text[], p_kinds text[], p_times timestamptz[], p_steps text[], p_payloads text[]
) RETURNS TABLE (cancel_asked boolean) LANGUAGE plpgsql SET search_path = orchestrator, pg_temp AS $$
DECLARE
  r runs%ROWTYPE;
  v_payload jsonb;
  v_usage jsonb;
BEGIN
  -- A token of 0 is a human's answer, which no executor can be late with.
  SELECT * INTO r FROM runs WHERE id = p_run AND (p_token = 0 OR fencing_token = p_token) FOR UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  IF r.ended_at IS NOT NULL THEN
    RETURN QUERY SELECT r.cancel IS NOT NULL;
    RETURN;
  END IF;
  FOR i IN 1 .. coalesce(array_length(p_keys, 1), 0) LOOP
    v_payload := p_payloads[i]::jsonb;
    INSERT INTO run_events (run_id, sequence, key, kind, time, step, payload)
      VALUES (p_run, r.last_sequence + 1, p_keys[i], p_kinds[i], p_times[i], p_steps[i], v_payload)
      ON CONFLICT (run_id, key) DO NOTHING;
    CONTINUE WHEN NOT FOUND;
    r.last_sequence := r.last_sequence + 1;
    IF p_kinds[i] = 'model_called' THEN
      v_usage := v_payload -> 'usage';
      r.input_tokens := r.input_tokens + (v_usage ->> 'input_tokens')::bigint;
      r.cached_input_tokens := r.cached_input_tokens + (v_usage ->> 'cached_input_tokens')::bigint;
      r.output_tokens := r.output_tokens + (v_usage ->> 'output_tokens')::bigint;
      r.cost := r.cost + (v_usage ->> 'cost')::numeric;
      r.currency := coalesce(nullif(r.currency, ''), v_usage ->> 'currency');
      r.estimated := r.estimated OR (v_usage ->> 'estimated')::boolean;
    ELSIF p_kinds[i] = 'run_state_changed' THEN
      r.state := v_payload ->> 'state';
      IF r.state IN ('succeeded', 'failed', 'rejected', 'cancelled') THEN
        r.ended_at := p_times[i];
        r.reason := nullif(v_payload -> 'reason', 'null'::jsonb);
        r.output_json := v_payload ->> 'output_json';
      END IF;
    END IF;
  END LOOP;
  UPDATE runs SET last_sequence = r.last_sequence, state = r.state, ended_at = r.ended_at, reason = r.reason,
      output_json = r.output_json, input_tokens = r.input_tokens, cached_input_tokens = r.cached_input_tokens,
      output_tokens = r.output_tokens, cost = r.cost, currency = r.currency, estimated = r.estimated
    WHERE id = p_run;
  PERFORM pg_notify('amas_run_events', p_run);
  RETURN QUERY SELECT r.cancel IS NOT NULL;
END $$
"""
# The start of a run in one round trip and one commit: the row as it was, and its first event as an executor's.
_BEGIN = """
CREATE FUNCTION orchestrator.begin_run(p_run text, p_time timestamptz, p_key text, p_kind text, p_payload text)
RETURNS SETOF orchestrator.runs LANGUAGE plpgsql SET search_path = orchestrator, pg_temp AS $$
DECLARE
  r runs%ROWTYPE;
BEGIN
  UPDATE runs SET started_at = coalesce(started_at, p_time) WHERE id = p_run RETURNING * INTO r;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  IF r.state = 'queued' THEN
    PERFORM record_events(
      p_run, r.fencing_token, ARRAY[p_key], ARRAY[p_kind], ARRAY[r.started_at], ARRAY[''], ARRAY[p_payload]);
  END IF;
  RETURN NEXT r;
END $$
"""
_SIGNATURES = (
    "orchestrator.record_events(text, bigint, text[], text[], timestamptz[], text[], text[])",
    "orchestrator.begin_run(text, timestamptz, text, text, text)",
)


def upgrade() -> None:
    """Make the tables and the functions, and give the service's role what it needs of them."""
    statements = (_RUNS, _EVENTS, _APPROVALS, _ANSWERS, _BUNDLES, _ACTIVE, _EXECUTORS, *_INDEXES, _RECORD, _BEGIN)
    for statement in statements:
        op.execute(statement)
    grants = {
        "runs": "SELECT, INSERT, UPDATE",
        "run_events": "SELECT, INSERT",
        "approvals": "SELECT, INSERT, UPDATE",
        "approval_answers": "SELECT, INSERT",
        "bundles": "SELECT, INSERT",
        "active_bundles": "SELECT, INSERT, UPDATE",
        "executors": "SELECT, INSERT, UPDATE, DELETE",
        "alembic_version": "SELECT",
    }
    for table, privileges in grants.items():
        op.execute(f"GRANT {privileges} ON orchestrator.{table} TO amas_orchestrator")
    op.execute("GRANT USAGE ON SCHEMA orchestrator TO amas_orchestrator")
    for signature in _SIGNATURES:
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO amas_orchestrator")


def downgrade() -> None:
    """There is no way back: runs are not dropped by a migration."""
    raise NotImplementedError("runs are not dropped by a migration")
