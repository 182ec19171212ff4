"""Each fault around a call, as docs/model-faults.md tells it: stores, audit, policy, the client, the clock."""

from __future__ import annotations

import pytest

from .faults_page import AROUND_A_CALL, Row, rows
from .platform import Platform
from .records import records_of
from .surroundings import DRIVERS, GONE

# The first test starts the whole platform, and several start processes, on a machine that may be busy.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(400), pytest.mark.asyncio(loop_scope="package")]

ROWS = rows(AROUND_A_CALL)


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_a_fault_around_a_call(platform: Platform, row: Row) -> None:
    """The client sees, the ledger has and audit knows what the page says; nothing stays held; all is well after it."""
    asked = len(platform.provider.requests)
    try:
        driven = await DRIVERS[row.fault](platform, row.stream)
        was_asked = len(platform.provider.requests) > asked
    finally:
        await platform.well()
    recorded = await records_of(platform, driven.call, used=driven.used)
    seen = driven.seen
    assert (seen.sees, recorded.billed, recorded.recorded) == (row.sees, row.billed, row.recorded)
    if seen.report is None and seen.sees != GONE:
        # A client's library may ask again only where no provider was asked.
        assert seen.pushback == ("-1" if was_asked else "")
