"""Rows of many callers in one transaction."""

from __future__ import annotations

import asyncio

import pytest
from amas_ai_router.adapters import postgres_pool
from amas_ai_router.adapters.postgres_ledger import PostgresLedger

from .fakes import make_context
from .test_postgres_ledger import DIGEST, dsns, pool, record_of  # noqa: F401 - fixtures among them


@pytest.mark.integration
async def test_a_row_that_postgres_cannot_take_spoils_no_other(pool: postgres_pool.Pool) -> None:  # noqa: F811 - a fixture
    """Rows of many callers share a transaction; what one of them says of itself must cost nobody else the record."""
    ledger = PostgresLedger(pool)
    good = [record_of(make_context(DIGEST, step=str(number))) for number in range(3)]
    bad = record_of(make_context(DIGEST, step="a\0b"))
    records = [good[0], bad, *good[1:]]
    writing = (ledger.record(record, None, None) for record in records)
    results = await asyncio.gather(*writing, return_exceptions=True)
    assert [result is True for result in results] == [True, False, True, True]
