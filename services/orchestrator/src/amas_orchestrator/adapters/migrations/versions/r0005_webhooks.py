"""The outbox of webhooks, and up to which state receivers were told of an approval."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"

_TOLD = """
ALTER TABLE orchestrator.approvals ADD COLUMN told text NOT NULL DEFAULT 'opening'
"""
# `done` says that a notice is over with, `sent` that it was told, `announced` that receivers are told of it too.
_NOTICES = """
ALTER TABLE orchestrator.approval_notices
  ADD COLUMN sent boolean NOT NULL DEFAULT false,
  ADD COLUMN announced boolean NOT NULL DEFAULT false
"""
_OUTBOX = """
CREATE TABLE orchestrator.webhook_outbox (
  id text PRIMARY KEY,
  tenant text NOT NULL,
  endpoint text NOT NULL,
  body text NOT NULL,
  state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'given_up')),
  attempts integer NOT NULL DEFAULT 0,
  next_at timestamptz NOT NULL
)
"""
_INDEXES = (
    "CREATE INDEX approvals_untold ON orchestrator.approvals (tenant, requested_at) WHERE told <> state",
    "CREATE INDEX approval_notices_unannounced ON orchestrator.approval_notices (due_at) WHERE sent AND NOT announced",
    "CREATE INDEX webhook_outbox_due ON orchestrator.webhook_outbox (next_at) WHERE state = 'waiting'",
)


def upgrade() -> None:
    """Make the outbox and the marks."""
    for statement in (_TOLD, _NOTICES, _OUTBOX, *_INDEXES):
        op.execute(statement)
    op.execute("GRANT SELECT, INSERT, UPDATE ON orchestrator.webhook_outbox TO amas_orchestrator")


def downgrade() -> None:
    """There is no way back: what is to be told is not dropped by a migration."""
    raise NotImplementedError("what is to be told is not dropped by a migration")
