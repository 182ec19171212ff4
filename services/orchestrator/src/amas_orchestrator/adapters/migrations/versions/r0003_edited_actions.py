"""Edited actions: what approvers put in place of what was proposed; an answer is about one of several actions."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

_EDITS = """
CREATE TABLE orchestrator.approval_edits (
  approval_id text NOT NULL REFERENCES orchestrator.approvals (id),
  action_digest text NOT NULL,
  arguments_json text NOT NULL,
  editor text NOT NULL,
  issuer text NOT NULL,
  time timestamptz NOT NULL,
  reasons jsonb NOT NULL,
  requirement jsonb NOT NULL,
  PRIMARY KEY (approval_id, action_digest)
)
"""
_ANSWERS = """
ALTER TABLE orchestrator.approval_answers
  DROP CONSTRAINT approval_answers_pkey,
  ADD PRIMARY KEY (approval_id, approver, action_digest)
"""


def upgrade() -> None:
    """Make the table, and let one person answer about each action once."""
    for statement in (_EDITS, _ANSWERS, "GRANT SELECT, INSERT ON orchestrator.approval_edits TO amas_orchestrator"):
        op.execute(statement)


def downgrade() -> None:
    """There is no way back: the record of an answer is not dropped by a migration."""
    raise NotImplementedError("the record of an answer is not dropped by a migration")
