"""The ledger names the application of a call, what a cache saved, and attempts and late calls that cost something."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_STATEMENTS = (
    "ALTER TABLE ai_router.call ADD COLUMN client_id text NOT NULL DEFAULT ''",
    "ALTER TABLE ai_router.call ADD COLUMN cache text NOT NULL DEFAULT '' CHECK (cache IN ('', 'memo', 'semantic'))",
    "ALTER TABLE ai_router.call ADD COLUMN saved numeric(30, 10) NOT NULL DEFAULT 0 CHECK (saved >= 0)",
    "ALTER TABLE ai_router.call DROP CONSTRAINT call_outcome_check",
    """
    ALTER TABLE ai_router.call ADD CONSTRAINT call_outcome_check
    CHECK (outcome IN ('ok', 'broken', 'cancelled', 'lost', 'late'))
    """,
)


def upgrade() -> None:
    """Adds the columns and widens the outcomes."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """A ledger is never taken back."""
    raise NotImplementedError("the ledger is not dropped by a migration")
