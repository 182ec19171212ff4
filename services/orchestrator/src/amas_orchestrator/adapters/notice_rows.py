"""Notices of approvals as rows: planned in the transaction that asks, marked in the one that tells."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import asyncpg

from amas_orchestrator.domain.notices import Notice, NoticeKind

from .postgres_pool import Connection, utc

PLAN_NOTICE = """
INSERT INTO orchestrator.approval_notices (approval_id, kind, number, due_at, groups) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (approval_id, kind, number) DO NOTHING
"""
# What nobody waits for any more is told to nobody, and is not looked at again.
_FORGET = """
UPDATE orchestrator.approval_notices n SET done = true FROM orchestrator.approvals a
WHERE a.id = n.approval_id AND NOT n.done AND n.due_at <= $1
  AND (a.state NOT IN ('opening', 'pending') OR a.expires_at <= $1)
"""
_DUE = """
SELECT n.* FROM orchestrator.approval_notices n JOIN orchestrator.approvals a ON a.id = n.approval_id
WHERE NOT n.done AND n.due_at <= $1 AND a.state = 'pending' ORDER BY n.due_at, n.approval_id LIMIT $2
"""
_MARK = """
UPDATE orchestrator.approval_notices SET done = true, sent = true
WHERE approval_id = $1 AND kind = $2 AND number = $3 AND NOT done RETURNING true
"""


def notice_values(notice: Notice) -> list[Any]:
    """The values of a row, as PLAN_NOTICE wants them."""
    return [notice.approval_id, notice.kind.value, notice.number, notice.due_at, list(notice.groups)]


async def due_notices(connection: Connection, now: datetime, limit: int) -> list[Notice]:
    """Notices that are due, the oldest first."""
    await connection.execute(_FORGET, now)
    return [notice_of(row) for row in await connection.fetch(_DUE, now, limit)]


def notice_of(row: asyncpg.Record) -> Notice:
    """The notice of a row."""
    return Notice(
        approval_id=row["approval_id"],
        kind=NoticeKind(row["kind"]),
        number=row["number"],
        due_at=utc(row["due_at"]),
        groups=tuple(row["groups"]),
    )


async def mark_noticed(connection: Connection, notice: Notice) -> bool:
    """True if it was not marked before."""
    return bool(await connection.fetchval(_MARK, notice.approval_id, notice.kind.value, notice.number))
