"""controller: rounds after changes, after a while, and with growing patience after failures."""

from __future__ import annotations

import asyncio

import pytest
from amas_operator.domain.errors import UnavailableError
from amas_operator.entrypoints.controller import FIRST_DELAY_S, JITTER, LONGEST_DELAY_S, Controller


class Rounds:
    """Counts rounds and pauses; the first rounds fail."""

    def __init__(self, failures: int, until: int) -> None:
        self.failures, self.until = failures, until
        self.count = 0
        self.pauses: list[float] = []
        self.changed = asyncio.Event()
        self.done = asyncio.Event()

    async def __call__(self) -> None:
        self.count += 1
        if self.count == self.until:
            self.done.set()
        if self.count <= self.failures:
            raise UnavailableError("away")

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    async def run(self, resync: float) -> None:
        """Until enough rounds are done."""
        running = asyncio.create_task(Controller(self, self.changed, resync=resync, pause=self.pause).run())
        await self.done.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_patience_grows_and_is_bounded() -> None:
    """Failure upon failure doubles the pause, up to a minute."""
    rounds = Rounds(failures=10, until=10)
    await rounds.run(resync=3600)
    expected = [min(LONGEST_DELAY_S, FIRST_DELAY_S * 2**number) for number in range(9)]
    assert rounds.pauses[:9] == pytest.approx(expected, rel=JITTER)


async def test_a_change_during_a_round_makes_another() -> None:
    """What a round may have missed is not forgotten."""
    rounds = Rounds(failures=0, until=2)

    async def changed_within() -> None:
        rounds.changed.set()
        await Rounds.__call__(rounds)

    running = asyncio.create_task(Controller(changed_within, rounds.changed, resync=3600, pause=rounds.pause).run())
    await rounds.done.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert rounds.count == 2


async def test_without_a_change_there_is_a_round_all_the_same() -> None:
    """Drift on the platform is mended within the resync time."""
    rounds = Rounds(failures=0, until=3)
    await rounds.run(resync=0.001)
    assert rounds.count == 3
