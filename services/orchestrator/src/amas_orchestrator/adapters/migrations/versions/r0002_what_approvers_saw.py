"""What approvers saw, and who they are: the proposer of an asked action, and the digests that an answer is about."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

# What older rows do not say counts as the strictest: nobody may take silence for `public` and `trusted`.
_PROPOSER = """
ALTER TABLE orchestrator.approvals ADD COLUMN proposer jsonb NOT NULL DEFAULT
  '{"application": "", "orchestration": "", "delegated_by": [], "turn": 0,
    "label": {"confidentiality": "restricted", "categories": [], "integrity": "untrusted"}}'
"""
_ANSWERS = """
ALTER TABLE orchestrator.approval_answers
  ADD COLUMN issuer text NOT NULL DEFAULT '',
  ADD COLUMN action_digest text NOT NULL DEFAULT '',
  ADD COLUMN rendering_digest text NOT NULL DEFAULT ''
"""
# Until now an approval asked about one action only.
_BACKFILL = """
UPDATE orchestrator.approval_answers SET action_digest = approvals.action_digest
FROM orchestrator.approvals WHERE approvals.id = approval_id
"""


def upgrade() -> None:
    """Add the columns; older answers keep the digest of the one action that they can be about."""
    for statement in (_PROPOSER, _ANSWERS, _BACKFILL):
        op.execute(statement)


def downgrade() -> None:
    """There is no way back: the record of an answer is not dropped by a migration."""
    raise NotImplementedError("the record of an answer is not dropped by a migration")
