"""The ledger, the kept answers, the fences and the bundles, with what the service's role may do to them."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE ai_router.call (
        call_id             text PRIMARY KEY,
        tenant              text NOT NULL CHECK (tenant <> ''),
        principal           text NOT NULL,
        run_id              text NOT NULL,
        step                text NOT NULL,
        role                text NOT NULL,
        orchestration       text NOT NULL,
        bundle              text NOT NULL,
        route               text NOT NULL,
        provider            text NOT NULL,
        model               text NOT NULL,
        operation           text NOT NULL CHECK (operation IN ('chat', 'embeddings')),
        outcome             text NOT NULL CHECK (outcome IN ('ok', 'broken', 'cancelled')),
        input_tokens        bigint NOT NULL CHECK (input_tokens >= 0),
        cached_input_tokens bigint NOT NULL CHECK (cached_input_tokens >= 0),
        output_tokens       bigint NOT NULL CHECK (output_tokens >= 0),
        estimated           boolean NOT NULL,
        cost                numeric(30, 10) NOT NULL CHECK (cost >= 0),
        currency            text NOT NULL,
        attempts            integer NOT NULL,
        duration_ms         bigint NOT NULL,
        failovers           text[] NOT NULL,
        trace_id            text NOT NULL,
        created_at          timestamptz NOT NULL
    )
    """,
    "CREATE INDEX call_by_run ON ai_router.call (tenant, run_id, created_at)",
    "CREATE INDEX call_by_time ON ai_router.call (tenant, created_at)",
    """
    CREATE TABLE ai_router.kept_answer (
        tenant          text NOT NULL,
        principal       text NOT NULL,
        idempotency_key text NOT NULL,
        call_id         text NOT NULL REFERENCES ai_router.call (call_id),
        request_digest  text NOT NULL,
        body            bytea NOT NULL,
        event           text NOT NULL,
        created_at      timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant, principal, idempotency_key)
    )
    """,
    """
    CREATE TABLE ai_router.run_fence (
        tenant text NOT NULL,
        run_id text NOT NULL,
        token  bigint NOT NULL,
        PRIMARY KEY (tenant, run_id)
    )
    """,
    """
    CREATE TABLE ai_router.bundle (
        digest     text PRIMARY KEY,
        content    bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "GRANT USAGE ON SCHEMA ai_router TO amas_ai_router",
    "GRANT SELECT, INSERT ON ai_router.call, ai_router.kept_answer, ai_router.bundle TO amas_ai_router",
    "GRANT SELECT, INSERT, UPDATE (token) ON ai_router.run_fence TO amas_ai_router",
)


def upgrade() -> None:
    """Makes the tables and grants."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """A ledger is never taken back."""
    raise NotImplementedError("the ledger is not dropped by a migration")
