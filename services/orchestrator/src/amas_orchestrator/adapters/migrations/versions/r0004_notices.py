"""Reminders and escalations of approvals: who may answer after a while, and who is told when."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

_NOTICES = """
CREATE TABLE orchestrator.approval_notices (
  approval_id text NOT NULL REFERENCES orchestrator.approvals (id),
  kind text NOT NULL CHECK (kind IN ('reminded', 'escalated')),
  number integer NOT NULL CHECK (number > 0),
  due_at timestamptz NOT NULL,
  groups jsonb NOT NULL,
  done boolean NOT NULL DEFAULT false,
  PRIMARY KEY (approval_id, kind, number)
)
"""
_DUE = "CREATE INDEX approval_notices_due ON orchestrator.approval_notices (due_at) WHERE NOT done"
# What was asked before knew of neither.
_BACKFILL = """
UPDATE orchestrator.%s SET requirement = '{"remind_after": null, "escalate": []}' || requirement
"""


def upgrade() -> None:
    """Make the table; requirements that were stated before remind nobody and escalate to nobody."""
    op.execute(_NOTICES)
    op.execute(_DUE)
    for table in ("approvals", "approval_edits"):
        op.execute(_BACKFILL % table)
    op.execute("GRANT SELECT, INSERT, UPDATE ON orchestrator.approval_notices TO amas_orchestrator")


def downgrade() -> None:
    """There is no way back: what was asked of people is not dropped by a migration."""
    raise NotImplementedError("what was asked of people is not dropped by a migration")
