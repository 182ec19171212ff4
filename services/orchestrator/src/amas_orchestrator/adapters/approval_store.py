"""Approvals in Postgres. An answer is checked under a lock on the approval and stored in that transaction (I3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import asyncpg

from amas_orchestrator.domain.approvals import (
    Answer,
    Approval,
    ApprovalKind,
    ApprovalState,
    Edit,
    Proposer,
)
from amas_orchestrator.domain.errors import OwnershipLost, approval_not_found
from amas_orchestrator.domain.events import NewEvent
from amas_orchestrator.domain.model import Reason
from amas_orchestrator.domain.notices import Notice, planned
from amas_orchestrator.domain.requirement import Requirement

from .notice_rows import PLAN_NOTICE, due_notices, mark_noticed, notice_values
from .postgres_pool import Connection, Database, utc
from .run_store import cancel_approvals, record

_INSERT = """
INSERT INTO orchestrator.approvals (id, tenant, run_id, workflow_id, step, kind, state, requester, role, purpose, tool,
    arguments_json, action_digest, bundle, reasons, requirement, requested_at, expires_at, proposer)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
ON CONFLICT (id) DO NOTHING
"""
_ANSWER = """
INSERT INTO orchestrator.approval_answers
    (approval_id, approver, issuer, approved, reason, groups, time, action_digest, rendering_digest)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_EDIT = """
INSERT INTO orchestrator.approval_edits
    (approval_id, action_digest, arguments_json, editor, issuer, time, reasons, requirement)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_LIST = """
SELECT * FROM orchestrator.approvals
WHERE tenant = $1 AND state <> 'opening' AND ($2 = '' OR run_id = $2) AND ($3 = '' OR state = $3)
  AND ($4 = '' OR (requested_at, id) < (SELECT requested_at, id FROM orchestrator.approvals
                                        WHERE id = $4 AND tenant = $1))
ORDER BY requested_at DESC, id DESC LIMIT $5
"""
_LOCK_RUN = """
SELECT 1 FROM orchestrator.runs
WHERE id = (SELECT run_id FROM orchestrator.approvals WHERE tenant = $1 AND id = $2) FOR UPDATE
"""
NO_EXECUTOR = 0
"""Fencing token of what humans do: they are never late."""


class PostgresApprovals:
    """ApprovalStore on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, approval: Approval) -> Approval:
        """See ApprovalStore."""
        async with self._database.transaction() as connection:
            await connection.execute(_INSERT, *_values(approval))
            return await _one(connection, approval.id)

    async def publish(self, approval: Approval, fencing_token: int, events: Sequence[NewEvent]) -> bool:
        """See ApprovalStore."""
        async with self._database.transaction() as connection:
            asked = await record(connection, approval.run_id, fencing_token, events)
            await connection.execute(
                "UPDATE orchestrator.approvals SET state = 'pending' WHERE id = $1 AND state = 'opening'", approval.id
            )
            for notice in planned(approval):
                await connection.execute(PLAN_NOTICE, *notice_values(notice))
        return asked

    async def get(self, tenant: str, approval_id: str) -> Approval | None:
        """See ApprovalStore."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                "SELECT * FROM orchestrator.approvals WHERE tenant = $1 AND id = $2 AND state <> 'opening'",
                tenant,
                approval_id,
            )
            return (await read_approvals(connection, [row]))[0] if row else None

    async def page(
        self, tenant: str, run_id: str, state: ApprovalState | None, size: int, before: str
    ) -> list[Approval]:
        """See ApprovalStore."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_LIST, tenant, run_id, state.value if state else "", before, size)
            return await read_approvals(connection, rows)

    async def decide(
        self,
        tenant: str,
        approval_id: str,
        rule: Callable[[Approval], Approval],
        event: Callable[[Approval], NewEvent],
    ) -> Approval | None:
        """See ApprovalStore."""
        async with self._database.transaction() as connection:
            # The run first, as everybody locks them who needs both; else an answer and a cancellation could deadlock.
            await connection.execute(_LOCK_RUN, tenant, approval_id)
            row = await connection.fetchrow(
                "SELECT * FROM orchestrator.approvals WHERE tenant = $1 AND id = $2 FOR UPDATE", tenant, approval_id
            )
            if row is None:
                return None
            approval = (await read_approvals(connection, [row]))[0]
            decided = rule(approval)
            if decided is approval:
                return approval
            for edit in decided.edits[len(approval.edits) :]:
                await connection.execute(_EDIT, approval_id, *_edit_values(edit))
            answer = decided.answers[-1]
            await connection.execute(
                _ANSWER,
                approval_id,
                answer.approver,
                answer.issuer,
                answer.approved,
                answer.reason,
                list(answer.groups),
                answer.time,
                answer.action_digest,
                answer.rendering_digest,
            )
            await connection.execute(
                "UPDATE orchestrator.approvals SET state = $2, wake_due = $3 WHERE id = $1",
                approval_id,
                decided.state.value,
                decided.state is not ApprovalState.PENDING,
            )
            try:
                await record(connection, approval.run_id, NO_EXECUTOR, [event(decided)])
            except OwnershipLost as error:
                raise approval_not_found(approval_id) from error
        return decided

    async def due_notices(self, now: datetime, limit: int) -> list[tuple[Approval, Notice]]:
        """See ApprovalStore."""
        async with self._database.connection() as connection:
            found = await due_notices(connection, now, limit)
            ids = list({notice.approval_id for notice in found})
            rows = await connection.fetch("SELECT * FROM orchestrator.approvals WHERE id = ANY($1)", ids)
            approvals = {approval.id: approval for approval in await read_approvals(connection, rows)}
        return [(approvals[notice.approval_id], notice) for notice in found]

    async def noticed(self, notice: Notice, event: NewEvent, run_id: str) -> None:
        """See ApprovalStore."""
        async with self._database.transaction() as connection:
            await connection.execute("SELECT 1 FROM orchestrator.runs WHERE id = $1 FOR UPDATE", run_id)
            if await mark_noticed(connection, notice):
                await record(connection, run_id, NO_EXECUTOR, [event])

    async def settle(self, approval_id: str, now: datetime) -> Approval:
        """See ApprovalStore."""
        async with self._database.transaction() as connection:
            await connection.execute(
                "UPDATE orchestrator.approvals SET state = 'expired' "
                "WHERE id = $1 AND state = 'pending' AND expires_at <= $2",
                approval_id,
                now,
            )
            return await _one(connection, approval_id)

    async def waiting(self, tenant: str, now: datetime) -> int:
        """See ApprovalStore."""
        async with self._database.connection() as connection:
            count: int = await connection.fetchval(
                "SELECT count(*) FROM orchestrator.approvals "
                "WHERE tenant = $1 AND state = 'pending' AND expires_at > $2",
                tenant,
                now,
            )
        return count

    async def others_pending(self, run_id: str, approval_id: str) -> bool:
        """See ApprovalStore."""
        async with self._database.connection() as connection:
            found = await connection.fetchval(
                "SELECT 1 FROM orchestrator.approvals WHERE run_id = $1 AND id <> $2 AND state = 'pending' LIMIT 1",
                run_id,
                approval_id,
            )
        return found is not None

    async def cancel_pending(self, run_id: str) -> None:
        """See ApprovalStore."""
        async with self._database.connection() as connection:
            await cancel_approvals(connection, run_id)

    async def unsent_wakes(self, limit: int) -> list[Approval]:
        """See ApprovalStore."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT * FROM orchestrator.approvals WHERE wake_due ORDER BY id LIMIT $1", limit
            )
        return [_approval(row) for row in rows]

    async def wake_sent(self, approval_id: str) -> None:
        """See ApprovalStore."""
        async with self._database.connection() as connection:
            await connection.execute("UPDATE orchestrator.approvals SET wake_due = false WHERE id = $1", approval_id)


async def _one(connection: Connection, approval_id: str) -> Approval:
    row = await connection.fetchrow("SELECT * FROM orchestrator.approvals WHERE id = $1", approval_id)
    if row is None:
        raise approval_not_found(approval_id)
    return (await read_approvals(connection, [row]))[0]


async def read_approvals(connection: Connection, rows: Sequence[asyncpg.Record]) -> list[Approval]:
    """The approvals with their edits and answers, each in the order in which they came."""
    ids = [row["id"] for row in rows]
    answers: dict[str, list[Answer]] = {found: [] for found in ids}
    edits: dict[str, list[Edit]] = {found: [] for found in ids}
    for row in await connection.fetch(
        "SELECT * FROM orchestrator.approval_answers WHERE approval_id = ANY($1) ORDER BY time, approver", ids
    ):
        answers[row["approval_id"]].append(_answer(row))
    for row in await connection.fetch(
        "SELECT * FROM orchestrator.approval_edits WHERE approval_id = ANY($1) ORDER BY time, action_digest", ids
    ):
        edits[row["approval_id"]].append(_edit(row))
    return [_approval(row, tuple(answers[row["id"]]), tuple(edits[row["id"]])) for row in rows]


def _answer(row: asyncpg.Record) -> Answer:
    return Answer(
        approver=row["approver"],
        issuer=row["issuer"],
        approved=row["approved"],
        reason=row["reason"],
        time=utc(row["time"]),
        groups=tuple(row["groups"]),
        action_digest=row["action_digest"],
        rendering_digest=row["rendering_digest"],
    )


def _edit(row: asyncpg.Record) -> Edit:
    return Edit(
        action_digest=row["action_digest"],
        arguments_json=row["arguments_json"],
        editor=row["editor"],
        issuer=row["issuer"],
        time=utc(row["time"]),
        reasons=_reasons(row),
        requirement=Requirement.from_dict(row["requirement"]),
    )


def _edit_values(edit: Edit) -> list[Any]:
    return [
        edit.action_digest,
        edit.arguments_json,
        edit.editor,
        edit.issuer,
        edit.time,
        [reason.to_dict() for reason in edit.reasons],
        edit.requirement.to_dict(),
    ]


def _reasons(row: asyncpg.Record) -> tuple[Reason, ...]:
    return tuple(Reason(reason["code"], reason["message"]) for reason in row["reasons"])


def _approval(row: asyncpg.Record, answers: tuple[Answer, ...] = (), edits: tuple[Edit, ...] = ()) -> Approval:
    names = ("id", "tenant", "run_id", "workflow_id", "step", "requester", "role", "purpose", "tool")
    texts = {name: row[name] for name in (*names, "arguments_json", "action_digest", "bundle")}
    return Approval(
        **texts,
        kind=ApprovalKind(row["kind"]),
        state=ApprovalState(row["state"]),
        reasons=_reasons(row),
        requirement=Requirement.from_dict(row["requirement"]),
        requested_at=utc(row["requested_at"]),
        expires_at=utc(row["expires_at"]),
        proposer=Proposer.from_dict(row["proposer"]),
        answers=answers,
        edits=edits,
    )


def _values(approval: Approval) -> list[Any]:
    opening = replace(approval, state=ApprovalState.OPENING)
    return [
        opening.id,
        opening.tenant,
        opening.run_id,
        opening.workflow_id,
        opening.step,
        opening.kind.value,
        opening.state.value,
        opening.requester,
        opening.role,
        opening.purpose,
        opening.tool,
        opening.arguments_json,
        opening.action_digest,
        opening.bundle,
        [reason.to_dict() for reason in opening.reasons],
        opening.requirement.to_dict(),
        opening.requested_at,
        opening.expires_at,
        opening.proposer.to_dict(),
    ]
