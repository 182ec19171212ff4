"""Revocations, with the version of all of them together.

A revocation is never deleted: lifting it says who did, when and why. The version is a time in microseconds that never
goes back, so that it goes on growing after a restored backup.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"

_REVOCATIONS = """
CREATE TABLE orchestrator.revocations (
  id text PRIMARY KEY,
  tenant text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('role', 'tool', 'principal', 'bundle')),
  name text NOT NULL,
  reason text NOT NULL,
  revoked_by text NOT NULL,
  revoked_at timestamptz NOT NULL,
  lifted_at timestamptz,
  lifted_by text NOT NULL DEFAULT '',
  lift_reason text NOT NULL DEFAULT ''
)
"""
_VERSION = """
CREATE TABLE orchestrator.revocations_version (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  version bigint NOT NULL CHECK (version > 0)
)
"""
_STATEMENTS = (
    _REVOCATIONS,
    "CREATE UNIQUE INDEX revocations_in_force ON orchestrator.revocations (tenant, kind, name) WHERE lifted_at IS NULL",
    "CREATE INDEX revocations_tenant ON orchestrator.revocations (tenant, id DESC)",
    _VERSION,
    "INSERT INTO orchestrator.revocations_version (version) VALUES (1)",
    # Runs under way are looked through at each revocation.
    "CREATE INDEX runs_under_way ON orchestrator.runs (tenant) WHERE ended_at IS NULL",
    "GRANT SELECT, INSERT ON orchestrator.revocations TO amas_orchestrator",
    "GRANT UPDATE (lifted_at, lifted_by, lift_reason) ON orchestrator.revocations TO amas_orchestrator",
    "GRANT SELECT, UPDATE ON orchestrator.revocations_version TO amas_orchestrator",
)


def upgrade() -> None:
    """Make the tables, and give the service's role what it needs of them."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """There is no way back: what was revoked would be in use again."""
    raise NotImplementedError("revocations are not dropped by a migration")
