"""The router over fakes, and budgets in a real Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from .budget_fakes import Store
from .fakes import Router


@pytest_asyncio.fixture
async def router() -> Router:
    """The service with two providers, p0 and p1, and the bundle loaded."""
    return await Router().load()


@pytest_asyncio.fixture
async def store(redis_url: str) -> AsyncIterator[Store]:
    """An empty Redis and an empty ledger, on a Wednesday at 12:30."""
    made = await Store(redis_url).open()
    yield made
    await made.close()
