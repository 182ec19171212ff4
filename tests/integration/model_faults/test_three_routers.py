"""Three processes of the service under one small budget, one of them killed in the middle."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from .calls import Call
from .platform import Budget, Platform, Router, until
from .routes import GATED_BEFORE, GOOD, make_bundle

# The first test starts the whole platform, and several start processes, on a machine that may be busy.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(400), pytest.mark.asyncio(loop_scope="package")]

LIMIT = 6_000
TENANT = "hammered"
# Calls at once at each router, those that the killed one holds when it dies, and the answers after which it does.
CALLERS, HELD, KILL_AFTER = 4, 5, 100
# More calls of one caller than the budget has room for.
MOST_CALLS = LIMIT
EXCEEDED = "`RESOURCE_EXHAUSTED` `BUDGET_EXCEEDED`"


@pytest_asyncio.fixture(loop_scope="package")
async def small(platform: Platform) -> AsyncIterator[Platform]:
    """Three more routers on the same stores, with a budget of LIMIT tokens."""
    made = platform.beside(make_bundle(f"{platform.provider.url}/v1", {}, token_limit=LIMIT))
    try:
        await asyncio.gather(*(made.start() for _ in range(3)))
        yield made
    finally:
        await made.close()


class Hammer:
    """Calls all routers until the budget is used up; watches that what is used and held together never exceeds it."""

    def __init__(self, small: Platform) -> None:
        self._small = small
        self._living = list(small.routers)
        self.answers = 0

    async def run(self, doomed: Router | None = None) -> None:
        """Until every caller was refused; or kills `doomed` after KILL_AFTER answers, and others end theirs."""
        watching = asyncio.ensure_future(self._watch(self._living[0]))
        callers = [
            self._call(router, doomed, stream=number % 2 == 1) for router in self._living for number in range(CALLERS)
        ]
        try:
            await asyncio.gather(*callers)
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def _call(self, router: Router, doomed: Router | None, *, stream: bool) -> None:
        for _ in range(MOST_CALLS):
            seen = await self._small.make(Call(TENANT, GOOD, stream), router)
            if router not in self._living or seen.sees == EXCEEDED:
                return
            assert seen.sees == "its answer"
            self.answers += 1
            if doomed is None:
                continue
            if self.answers >= KILL_AFTER and doomed in self._living:
                self._living.remove(doomed)
                await doomed.kill()
            if doomed not in self._living:
                return

    async def _watch(self, router: Router) -> None:
        while True:
            budget = await self._small.budget(Call(TENANT, GOOD, False), router)
            assert budget.used + budget.reserved <= LIMIT


async def test_a_killed_router_gives_back_what_it_held_and_nothing_is_overspent(
    platform: Platform, small: Platform
) -> None:
    """The sum settled, in Redis and in the ledger, stays within the limit, and a dead router's holds run out."""
    platform.call(GATED_BEFORE, stream=False)
    survivor, _, doomed = small.routers
    any_call, asked = Call(TENANT, GATED_BEFORE, False), len(platform.provider.requests)
    holding = [asyncio.ensure_future(small.make(any_call, doomed)) for _ in range(HELD)]

    async def all_asked() -> bool | None:
        return len(platform.provider.requests) == asked + HELD or None

    await until("the provider has the calls that wait", all_asked)
    held = (await small.budget(any_call, survivor)).reserved
    hammer = Hammer(small)
    await hammer.run(doomed)
    # Nobody else holds anything now; what the dead one holds runs out in a while.
    assert (await small.budget(any_call, survivor)).reserved >= held
    assert all(not seen.sees.endswith("its answer") for seen in await asyncio.gather(*holding))
    await hammer.run()

    async def given_back() -> Budget | None:
        budget = await small.budget(any_call, survivor)
        return budget if budget.reserved == 0 else None

    await until("the dead router's holds run out", given_back)
    await hammer.run()
    used = (await until("nothing is held", given_back)).used
    written = sum(row["input_tokens"] + row["output_tokens"] for row in await small.ledger(any_call))
    # It may have died between Redis and the ledger: then Redis has counted too much, never too little.
    assert written <= used <= LIMIT
    # There was no room for one more, so that what the dead one had held was used by the others.
    assert used > LIMIT - held // HELD
