"""An index of the approvals that wait: how many, is asked before each action whose contract bounds their number."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"

_WAITING = "CREATE INDEX approvals_waiting ON orchestrator.approvals (tenant, expires_at) WHERE state = 'pending'"


def upgrade() -> None:
    """Make the index."""
    op.execute(_WAITING)


def downgrade() -> None:
    """Drop the index."""
    op.execute("DROP INDEX orchestrator.approvals_waiting")
