"""Revocations in Postgres: the truth that all copies are made of. Changes come one after another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg
from amas_governance.revocations import Revocable, RevocationKind, Revoked

from amas_orchestrator.domain.revocations import Revocation

from .postgres_pool import Connection, Database, utc

_BUMP = """
UPDATE orchestrator.revocations_version
SET version = greatest(version + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
"""
# Version and members of one moment: one statement sees one snapshot.
_CURRENT = """
SELECT v.version, r.tenant, r.kind, r.name
FROM orchestrator.revocations_version v LEFT JOIN orchestrator.revocations r ON r.lifted_at IS NULL
"""
_ADD = """
INSERT INTO orchestrator.revocations (id, tenant, kind, name, reason, revoked_by, revoked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant, kind, name) WHERE lifted_at IS NULL DO NOTHING RETURNING id
"""
_NEWEST = """
SELECT * FROM orchestrator.revocations WHERE tenant = $1 AND kind = $2 AND name = $3
ORDER BY lifted_at DESC NULLS FIRST LIMIT 1
"""
_LIST = """
SELECT * FROM orchestrator.revocations
WHERE tenant = $1 AND ($2 OR lifted_at IS NULL) AND ($3 = '' OR id < $3) ORDER BY id DESC LIMIT $4
"""
_IN_USE = """
SELECT digest FROM orchestrator.active_bundles WHERE tenant = $1
UNION SELECT bundle FROM orchestrator.runs WHERE tenant = $1 AND ended_at IS NULL
"""
# Runs under way that a revocation ends: of the principal, under the bundle, or with a step of the role at work. Not
# those whose role has a tool that was revoked: they end when they want it.
_TOUCHED = """
SELECT DISTINCT ON (r.id) r.id, v.tenant, v.kind, v.name
FROM orchestrator.runs r JOIN orchestrator.revocations v ON v.tenant = r.tenant AND v.lifted_at IS NULL
WHERE r.ended_at IS NULL AND r.cancel IS NULL AND CASE v.kind
  WHEN 'principal' THEN r.requester = v.name
  WHEN 'bundle' THEN r.bundle = v.name
  WHEN 'role' THEN EXISTS (
    SELECT 1 FROM (
      SELECT DISTINCT ON (e.step) e.payload FROM orchestrator.run_events e
      WHERE e.run_id = r.id AND e.kind = 'step_state_changed' ORDER BY e.step, e.sequence DESC
    ) s WHERE s.payload ->> 'role' = v.name AND s.payload ->> 'state' IN ('running', 'waiting'))
  ELSE false END
LIMIT $1
"""


class PostgresRevocations:
    """RevocationStore on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def current(self) -> Revoked:
        """See RevocationStore."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_CURRENT)
        members = frozenset(_revocable(row) for row in rows if row["tenant"] is not None)
        return Revoked(rows[0]["version"], members)

    async def newest(self, what: Revocable) -> Revocation | None:
        """See RevocationStore."""
        async with self._database.connection() as connection:
            return await _newest(connection, what)

    async def count(self, tenant: str) -> int:
        """See RevocationStore."""
        async with self._database.connection() as connection:
            return int(
                await connection.fetchval(
                    "SELECT count(*) FROM orchestrator.revocations WHERE tenant = $1 AND lifted_at IS NULL", tenant
                )
            )

    async def add(self, revocation: Revocation) -> tuple[Revocation, bool]:
        """See RevocationStore."""
        async with self._database.transaction() as connection:
            # First, so that changes are one after another and versions have their order.
            await connection.execute(_BUMP)
            made = await connection.fetchval(
                _ADD,
                revocation.id,
                revocation.tenant,
                revocation.kind.value,
                revocation.name,
                revocation.reason,
                revocation.revoked_by,
                revocation.revoked_at,
            )
            standing = await _newest(connection, revocation.what)
        return standing or revocation, made is None

    async def lift(self, what: Revocable, by: str, reason: str, now: datetime) -> tuple[Revocation | None, bool]:
        """See RevocationStore."""
        async with self._database.transaction() as connection:
            await connection.execute(_BUMP)
            lifted = await connection.fetchval(
                "UPDATE orchestrator.revocations SET lifted_at = $4, lifted_by = $5, lift_reason = $6 "
                "WHERE tenant = $1 AND kind = $2 AND name = $3 AND lifted_at IS NULL RETURNING id",
                what.tenant,
                what.kind.value,
                what.name,
                now,
                by,
                reason,
            )
            return await _newest(connection, what), lifted is None

    async def page(self, tenant: str, size: int, before: str, *, lifted_too: bool) -> list[Revocation]:
        """See RevocationStore."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_LIST, tenant, lifted_too, before, size)
        return [_revocation(row) for row in rows]

    async def bundles_in_use(self, tenant: str) -> Sequence[str]:
        """See RevocationStore."""
        async with self._database.connection() as connection:
            return [row["digest"] for row in await connection.fetch(_IN_USE, tenant)]

    async def touched_runs(self, limit: int) -> list[tuple[str, Revocable]]:
        """See RevocationStore."""
        async with self._database.connection() as connection:
            return [(row["id"], _revocable(row)) for row in await connection.fetch(_TOUCHED, limit)]


async def _newest(connection: Connection, what: Revocable) -> Revocation | None:
    row = await connection.fetchrow(_NEWEST, what.tenant, what.kind.value, what.name)
    return None if row is None else _revocation(row)


def _revocable(row: asyncpg.Record) -> Revocable:
    return Revocable(row["tenant"], RevocationKind(row["kind"]), row["name"])


def _revocation(row: asyncpg.Record) -> Revocation:
    return Revocation(
        id=row["id"],
        tenant=row["tenant"],
        kind=RevocationKind(row["kind"]),
        name=row["name"],
        reason=row["reason"],
        revoked_by=row["revoked_by"],
        revoked_at=utc(row["revoked_at"]),
        lifted_at=None if row["lifted_at"] is None else utc(row["lifted_at"]),
        lifted_by=row["lifted_by"],
        lift_reason=row["lift_reason"],
    )
