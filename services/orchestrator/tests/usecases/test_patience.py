"""Waiting for what is away has bounds, and ends at a cancellation."""

from __future__ import annotations

import asyncio

import pytest
from amas_chassis.errors import AmasError, ErrorKind
from amas_orchestrator.domain.errors import OwnershipLost
from amas_orchestrator.domain.signals import CancelSignal
from amas_orchestrator.usecases.patience import Cancelled, OutOfTime, Patience

from ..fakes import START, FakeMetrics, clock


class TestPatience:
    """Waiting has bounds, and ends at a cancellation."""

    def _patience(self) -> tuple[Patience, list[float]]:
        time, pauses = clock(), []

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)
            time.advance(seconds)

        return Patience(time, FakeMetrics(), sleep), pauses

    async def test_pauses_grow_to_a_bound(self) -> None:
        """A dependency that is away is asked less and less often, but at least every few seconds."""
        patience, pauses = self._patience()

        async def away() -> None:
            raise AmasError(ErrorKind.UNAVAILABLE, "AWAY", "away")

        with pytest.raises(OutOfTime) as late:
            await patience.ask("x", away, until=START.replace(minute=1))
        assert late.value.last is not None
        assert max(pauses) <= 2.4
        assert pauses[0] < 0.2

    async def test_an_error_that_waiting_cannot_mend_is_raised_at_once(self) -> None:
        """A refusal is no outage."""
        patience, pauses = self._patience()

        async def refused() -> None:
            raise AmasError(ErrorKind.PERMISSION_DENIED, "NO", "no")

        with pytest.raises(AmasError, match="NO"):
            await patience.ask("x", refused, until=START.replace(minute=1))
        assert not pauses

    async def test_a_cancellation_ends_a_call_under_way(self) -> None:
        """Nobody waits for a call whose answer nobody wants; the call is cancelled, not left behind."""
        patience, _ = self._patience()
        cancel, begun, cut = CancelSignal(), asyncio.Event(), []

        async def endless() -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cut.append(True)
                raise

        asking = asyncio.ensure_future(patience.ask("x", endless, until=START.replace(minute=1), cancel=cancel))
        await begun.wait()
        cancel.set()
        with pytest.raises(Cancelled):
            await asking
        assert cut == [True]

    async def test_fencing_is_no_error_of_a_run(self) -> None:
        """FENCED means that somebody else has the run; nothing may take it for an outcome."""
        patience, _ = self._patience()

        async def fenced() -> None:
            raise AmasError(ErrorKind.FAILED_PRECONDITION, "FENCED", "late")

        with pytest.raises(OwnershipLost):
            await patience.ask("x", fenced, until=START.replace(minute=1))
