"""Redis loses everything while a call is under way: nothing is overspent, and nothing stays held."""

from __future__ import annotations

import asyncio

import pytest

from .calls import Call, Seen
from .platform import Platform, until
from .provider_scripts import INPUT, OUTPUT
from .routes import GATED_BEFORE, GOOD
from .surroundings import redis_flushed

# The first test starts the whole platform, and several start processes, on a machine that may be busy.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(400), pytest.mark.asyncio(loop_scope="package")]

EACH = INPUT + OUTPUT
REBUILDING = "`UNAVAILABLE` `BUDGETS_REBUILDING`, again after "


async def test_what_a_call_holds_outlives_the_store(platform: Platform) -> None:
    """Its hold is put back, new calls wait until all routers had time to do so, and then the ledger's sum counts."""
    under_way = platform.call(GATED_BEFORE, stream=False)
    making = asyncio.ensure_future(platform.make(under_way))
    await platform.gate.reached.wait()
    held = (await platform.budget(under_way)).reserved
    another = Call(under_way.tenant, GOOD, False)
    async with redis_flushed(platform):
        refused = await platform.make(another)
    assert refused.sees.startswith(REBUILDING)

    async def put_back() -> bool | None:
        return (await platform.budget(under_way)).reserved == held or None

    await until("the hold is put back", put_back)
    platform.gate.opened.set()
    assert (await making).sees == "its answer"

    async def served() -> Seen | None:
        seen = await platform.make(another)
        return None if seen.sees.startswith(REBUILDING) else seen

    assert (await until("the budgets are whole again", served)).sees == "its answer"

    async def nothing_held() -> int | None:
        budget = await platform.budget(under_way)
        return budget.used if budget.reserved == 0 else None

    used = await until("nothing is reserved", nothing_held)
    written = sum(row["input_tokens"] + row["output_tokens"] for row in await platform.ledger(under_way))
    assert written == 2 * EACH
    # What was settled while the budgets were built again may be in the ledger's sum too: it counts twice, never not.
    assert written <= used <= written + EACH
