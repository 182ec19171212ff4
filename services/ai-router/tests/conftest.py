"""The router over fakes."""

from __future__ import annotations

import pytest_asyncio

from .fakes import Router


@pytest_asyncio.fixture
async def router() -> Router:
    """The service with two providers, p0 and p1, and the bundle loaded."""
    return await Router().load()
