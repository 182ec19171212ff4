"""Reads contents again: decrypts those that are there, and names the event by which the others were erased."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import asyncpg

from amas_audit.adapters.master_key import MasterKeys
from amas_audit.adapters.postgres_pool import Pool, unavailable_when_away
from amas_audit.domain.contents import Opened, Sealed
from amas_audit.domain.errors import ContentDamagedError
from amas_audit.domain.model import Entry
from amas_audit.domain.sealing import SubjectKey, open_sealed

_LOG = logging.getLogger(__name__)

_CONTENTS = """
SELECT c."index", c.name, c.ciphertext, k.key_id, k.tenant, k.subject, k.retention, k.wrapped
FROM audit.content c JOIN audit.content_key k ON k.key_id = c.key_id
WHERE c."index" = ANY($1::bigint[])
"""
_ERASED = "SELECT key_id, event_id FROM audit.erased_key WHERE key_id = ANY($1::uuid[])"


class PostgresContents:
    """`ports.ContentReader` over committed rows. Callers give it entries of the tenant that asks, and no others."""

    def __init__(self, pool: Pool, masters: MasterKeys) -> None:
        self._pool = pool
        self._masters = masters

    async def opened(self, entries: Sequence[Entry]) -> tuple[Entry, ...]:
        """The entries with their contents. A content that is damaged is as one that is lost, and is logged."""
        indexes = [entry.index for entry in entries if entry.event.sealed]
        if not indexes:
            return tuple(entries)
        with unavailable_when_away():
            rows = await self._pool.fetch(_CONTENTS, indexes)
            stored = {(row["index"], row["name"]): row for row in rows}
            keys = [
                sealed.key
                for entry in entries
                for sealed in entry.event.sealed
                if (entry.index, sealed.name) not in stored
            ]
            gone = await self._pool.fetch(_ERASED, keys) if keys else []
        erased = {row["key_id"].hex: row["event_id"] for row in gone}
        return tuple(
            replace(
                entry,
                contents=tuple(
                    self._opened(entry, sealed, stored.get((entry.index, sealed.name)), erased)
                    for sealed in entry.event.sealed
                ),
            )
            for entry in entries
        )

    def _opened(self, entry: Entry, sealed: Sealed, row: asyncpg.Record | None, erased: dict[str, str]) -> Opened:
        if row is None:
            return Opened(sealed, erased_by=erased.get(sealed.key, ""))
        try:
            return open_sealed(entry.event, sealed, self._key(row), row["ciphertext"])
        except ContentDamagedError:
            _LOG.exception("a content is damaged", extra={"index": entry.index, "content": sealed.name})
            return Opened(sealed)

    def _key(self, row: asyncpg.Record) -> SubjectKey:
        subject = (row["tenant"], row["subject"], row["retention"])
        return self._masters.unwrap(row["key_id"].hex, subject, row["wrapped"])
