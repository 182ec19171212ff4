"""The ledger in Postgres: usage and cost of every call, answers kept for idempotency keys, the fence of each run.

The service's role can insert and read, and raise a fence; it can change or delete nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple

import asyncpg
from amas_chassis.batching import Batcher

from amas_ai_router.domain.errors import fenced
from amas_ai_router.domain.model import CallContext, CallReport, Tokens, Usage
from amas_ai_router.domain.records import AuditEvent, CallRecord, KeptAnswer, KeyScope
from amas_ai_router.domain.usage_query import UsageGroup, UsageQuery, UsageSum

from . import ledger_sql
from .postgres_errors import postgres_errors
from .postgres_pool import Pool

# Rows in one batch, and batches under way at once.
MAX_BATCH = 128
LANES = 2
# What one row can be refused for: a constraint, or a value that is none to Postgres (a NUL in a text).
_OF_ONE_ROW = (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError)


class PostgresLedger:
    """See ports.Ledger."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._alone: Batcher[list[object], None] = Batcher(self._insert, most=MAX_BATCH, lanes=LANES)
        self._record_sql = {
            (keyed, fence): ledger_sql.record(keyed=keyed, fenced=fence)
            for keyed in (False, True)
            for fence in (False, True)
        }

    async def find_kept(self, scope: KeyScope, context: CallContext) -> KeptAnswer | None:
        """See ports.Ledger."""
        # A run id of no run matches no fence.
        run_id = context.run_id if context.fencing_token else ""
        with postgres_errors():
            row = await self._pool.fetchrow(ledger_sql.FIND_KEPT, scope.tenant, scope.principal, scope.key, run_id)
        if row is None:
            return None
        if context.fencing_token and (row["fence"] or 0) > context.fencing_token:
            raise fenced()
        if row["request_digest"] is None:
            return None
        return KeptAnswer(row["request_digest"], row["body"], _report(row), AuditEvent.from_json(row["event"]))

    async def record(self, record: CallRecord, scope: KeyScope | None, kept: KeptAnswer | None) -> bool:
        """See ports.Ledger."""
        values = _call_values(record)
        if kept is None and not (record.context.run_id and record.context.fencing_token):
            await self._alone.put(values)
            return True
        token = record.context.fencing_token if record.context.run_id else 0
        if token:
            values.append(token)
        if scope is not None and kept is not None:
            values += [scope.key, kept.request_digest, kept.body, kept.event.to_json()]
        statement = self._record_sql[(kept is not None, bool(token))]
        try:
            with postgres_errors():
                written = await self._pool.fetchval(statement, *values)
        except asyncpg.UniqueViolationError:
            return False
        if not written:
            raise fenced()
        return True

    async def _insert(self, rows: Sequence[list[object]]) -> Sequence[Exception | None]:
        """Rows in one round trip and one transaction; if that fails, each by itself, so that none spoils another."""
        with postgres_errors():
            try:
                await self._pool.executemany(ledger_sql.RECORD, rows)
            except _OF_ONE_ROW:
                return [await self._insert_one(row) for row in rows]
        return [None] * len(rows)

    async def _insert_one(self, row: list[object]) -> Exception | None:
        try:
            await self._pool.execute(ledger_sql.RECORD, *row)
        except _OF_ONE_ROW as error:
            return error
        return None

    async def sums(self, query: UsageQuery, after: UsageGroup | None, limit: int) -> Sequence[UsageSum]:
        """See ports.Ledger."""
        cursor = list(astuple(after)) if after is not None else None
        with postgres_errors():
            rows = await self._pool.fetch(
                ledger_sql.SUMS, query.tenant, query.run_id, query.since, query.until, cursor, limit
            )
        return [UsageSum(_group(row), row["calls"], _usage(row), row["cache_hits"], row["saved"]) for row in rows]


def _call_values(record: CallRecord) -> list[object]:
    """The 27 parameters of a call, in the order of ledger_sql."""
    context, report = record.context, record.report
    usage, tokens = report.usage, report.usage.tokens
    return [
        report.call_id,
        context.principal.tenant,
        context.principal.subject,
        context.run_id,
        context.step,
        context.role,
        context.orchestration,
        context.bundle,
        record.route,
        report.provider,
        report.model,
        record.operation.value,
        record.outcome,
        tokens.input,
        tokens.cached_input,
        tokens.output,
        tokens.estimated,
        usage.cost,
        usage.currency,
        report.attempts,
        report.duration_ms,
        list(report.failovers),
        record.trace_id,
        record.time,
        context.principal.client_id,
        report.cache,
        report.saved,
    ]


def _usage(row: asyncpg.Record) -> Usage:
    tokens = Tokens(
        input=int(row["input_tokens"]),
        cached_input=int(row["cached_input_tokens"]),
        output=int(row["output_tokens"]),
        estimated=row["estimated"],
    )
    return Usage(tokens, row["cost"], row["currency"])


def _group(row: asyncpg.Record) -> UsageGroup:
    return UsageGroup(row["run_id"], row["role"], row["route"], row["provider"], row["model"], row["currency"])


def _report(row: asyncpg.Record) -> CallReport:
    return CallReport(
        call_id=row["call_id"],
        provider=row["provider"],
        model=row["model"],
        usage=_usage(row),
        attempts=row["attempts"],
        duration_ms=row["duration_ms"],
        failovers=tuple(row["failovers"]),
        cache=row["cache"],
        saved=row["saved"],
    )
