"""Bundles in Postgres. Parsed ones are kept in memory: a bundle never changes, so that a kept one is never wrong."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from datetime import datetime

import asyncpg
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.bundle import Bundle

from amas_orchestrator.domain.model import Principal
from amas_orchestrator.ports import BundleInfo

from .postgres_pool import Database, utc

KEPT_BUNDLES = 32
_SELECT = """
SELECT b.tenant, b.digest, b.created_at, b.created_by, a.digest IS NOT NULL AS active
FROM orchestrator.bundles b LEFT JOIN orchestrator.active_bundles a ON a.tenant = b.tenant AND a.digest = b.digest
"""


class PostgresBundles:
    """BundleStore on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: OrderedDict[tuple[str, str], Bundle] = OrderedDict()

    async def active(self, tenant: str) -> tuple[BundleInfo, Bundle] | None:
        """See BundleStore."""
        return await self._find(_SELECT + "WHERE b.tenant = $1 AND a.digest IS NOT NULL", tenant)

    async def get(self, tenant: str, digest: str) -> tuple[BundleInfo, Bundle] | None:
        """See BundleStore."""
        return await self._find(_SELECT + "WHERE b.tenant = $1 AND b.digest = $2", tenant, digest)

    async def pinned(self, tenant: str, digest: str) -> Bundle | None:
        """See BundleStore."""
        kept = self._kept.get((tenant, digest))
        if kept is not None:
            return kept
        found = await self.get(tenant, digest)
        return found[1] if found else None

    async def activate(self, principal: Principal, bundle: Bundle, expected: str, now: datetime) -> BundleInfo:
        """See BundleStore."""
        tenant = principal.tenant
        async with self._database.transaction() as connection:
            # One applying at a time for each tenant, also for the first, when there is no row to lock.
            await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"amas-apply/{tenant}")
            found = await connection.fetchval(
                "SELECT digest FROM orchestrator.active_bundles WHERE tenant = $1", tenant
            )
            if (found or "") != expected:
                raise AmasError(
                    ErrorKind.ABORTED, "RESOURCES_CHANGED", "somebody else applied resources meanwhile; apply again"
                )
            await connection.execute(
                "INSERT INTO orchestrator.bundles (tenant, digest, content, created_at, created_by) "
                "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                tenant,
                bundle.digest,
                bundle.content,
                now,
                principal.subject,
            )
            await connection.execute(
                "INSERT INTO orchestrator.active_bundles (tenant, digest) VALUES ($1, $2) "
                "ON CONFLICT (tenant) DO UPDATE SET digest = excluded.digest",
                tenant,
                bundle.digest,
            )
            row = await connection.fetchrow(_SELECT + "WHERE b.tenant = $1 AND b.digest = $2", tenant, bundle.digest)
        if row is None:
            raise AmasError(ErrorKind.INTERNAL, "BUNDLE_LOST", "the bundle was not stored")
        return _info(row)

    async def _find(self, query: str, *values: str) -> tuple[BundleInfo, Bundle] | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(query, *values)
            if row is None:
                return None
            info = _info(row)
            kept = self._kept.get((info.tenant, info.digest))
            if kept is not None:
                self._kept.move_to_end((info.tenant, info.digest))
                return info, kept
            content = await connection.fetchval(
                "SELECT content FROM orchestrator.bundles WHERE tenant = $1 AND digest = $2", info.tenant, info.digest
            )
        # Parsing a bundle takes milliseconds for each resource, and other runs wait on this loop.
        bundle = await asyncio.to_thread(_read, info.digest, bytes(content))
        self._kept[(info.tenant, info.digest)] = bundle
        while len(self._kept) > KEPT_BUNDLES:
            self._kept.popitem(last=False)
        return info, bundle


def _read(digest: str, content: bytes) -> Bundle:
    """The bundle of a stored content, whichever version wrote it. Raises AmasError for one that cannot be used."""
    try:
        bundle = Bundle.parse(content)
    except ValueError as error:
        # A newer version wrote it, beside this one or before a roll-back: its runs wait for who can read it.
        raise AmasError(
            ErrorKind.UNAVAILABLE,
            "BUNDLE_UNREADABLE",
            f"this version cannot read the bundle {digest}, which a newer one made; run that version ({error})",
        ) from error
    if bundle.digest != digest:
        raise AmasError(
            ErrorKind.INTERNAL, "BUNDLE_DAMAGED", f"what is stored as the bundle {digest} is not its content"
        )
    return bundle


def _info(row: asyncpg.Record) -> BundleInfo:
    return BundleInfo(row["digest"], row["tenant"], utc(row["created_at"]), row["created_by"], row["active"])
