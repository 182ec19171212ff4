"""A role that can erase contents, and nothing else.

It sees whose keys there are, but neither keys nor contents; it destroys keys and ciphertexts, and leaves a mark for
each key. Triggers refuse the same to everybody else, the owner included.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0005"
down_revision = "0004"

ERASER = "amas_audit_eraser"

_REFUSE = f"""
CREATE FUNCTION audit.refuse_erasure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_user <> '{ERASER}' THEN
    RAISE EXCEPTION 'audit.% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $$
"""
# The owner wraps keys anew when the master key changes; whose they are never changes.
_CHANGES = {"content_key": "UPDATE OF key_id, tenant, subject, retention, opened_at", "content": "UPDATE"}
_GRANTS = (
    f"GRANT USAGE ON SCHEMA audit TO {ERASER}",
    f"GRANT SELECT (key_id, tenant, subject, retention, opened_at), DELETE ON audit.content_key TO {ERASER}",
    f'GRANT SELECT ("index", name, key_id), DELETE ON audit.content TO {ERASER}',
    f"GRANT SELECT, INSERT ON audit.erased_key TO {ERASER}",
)


def upgrade() -> None:
    """Let the role in. It is made by whoever makes the other two."""
    if not op.get_bind().scalar(text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :name)"), {"name": ERASER}):
        raise RuntimeError(f"the role {ERASER} is missing: CREATE ROLE {ERASER} LOGIN, and migrate again")
    op.execute(_REFUSE)
    for table, changes in _CHANGES.items():
        op.execute(f"DROP TRIGGER append_only ON audit.{table}")
        op.execute(
            f"CREATE TRIGGER append_only BEFORE {changes} OR TRUNCATE ON audit.{table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER erased_by_role BEFORE DELETE ON audit.{table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_erasure()"
        )
    for grant in _GRANTS:
        op.execute(grant)


def downgrade() -> None:
    """There is no way back: a log is not dropped by a migration."""
    raise NotImplementedError("the log is not dropped by a migration")
