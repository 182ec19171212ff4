"""Brings what is revoked everywhere: into the store that all policy-sidecars share, and to the runs under way here.

The truth is in the database; every copy is made from it again and again, so that one that was lost comes back, and a
change that another process made is carried on should that process have died. It never undoes anything: a run that was
ended stays ended.
"""

from __future__ import annotations

import asyncio
import logging

from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError
from amas_chassis.kept_fresh import KeptFresh
from amas_governance.revocations import Revoked, words

from amas_orchestrator.ports import RevocationCopies, RevocationStore, RunStore

from .send_wakes import SendWakes

_log = logging.getLogger(__name__)

INTERVAL_SECONDS = 0.4
"""How often the copies are compared: a copy that was lost is back after this long."""
LEASE_SECONDS = 0.9
"""How long this process believes what it read; within the second that a revocation may take."""
SWEEP_SECONDS = 5.0
"""How long after a change runs are looked through: a run that is just beginning may not be seen by the first look."""
BATCH = 64


class SpreadRevocations:
    """Revocations of one process."""

    def __init__(
        self, store: RevocationStore, copies: RevocationCopies, runs: RunStore, wakes: SendWakes, clock: Clock
    ) -> None:
        self._copies = copies
        self._store = store
        self._runs = runs
        self._wakes = wakes
        self._clock = clock
        self._kept = KeptFresh("revocations", store.current, clock, interval=INTERVAL_SECONDS, lease=LEASE_SECONDS)
        self._swept = 0
        self._sweep_until = 0.0
        self._failing = ""

    async def current(self) -> Revoked:
        """See ports.Revocations."""
        return self._kept.at_hand or await self._kept.get()

    async def newest(self) -> Revoked:
        """See ports.Revocations."""
        return await self._kept.read_now()

    async def __call__(self) -> None:
        """Brings what is revoked now everywhere; raises AmasError if a part of that cannot be done now."""
        revoked = await self._kept.read_now()
        try:
            if await self._copies.version() < revoked.version:
                await self._copies.replace(revoked)
        finally:
            await self._sweep(revoked)

    async def keep(self) -> None:
        """Does so for ever; a failure is logged when it begins and when it is over."""
        while True:
            try:
                await self()
                self._note("")
            except AmasError as error:
                self._note(error.reason)
            except Exception:
                _log.exception("revocations could not be spread")
            await asyncio.sleep(INTERVAL_SECONDS)

    async def _sweep(self, revoked: Revoked) -> None:
        now = self._clock.monotonic()
        if revoked.version != self._swept:
            self._sweep_until = now + SWEEP_SECONDS
        elif now >= self._sweep_until:
            return
        if revoked.members:
            await self._end_runs()
        # Only now: a sweep that failed is made again.
        self._swept = revoked.version

    async def _end_runs(self) -> None:
        while True:
            touched = await self._store.touched_runs(BATCH)
            for run_id, one in touched:
                now = self._clock.now()
                await self._runs.request_cancel(one.tenant, run_id, "", words(one), now, revoked=True)
                _log.info("a run is ended by a revocation", extra={"run_id": run_id, "kind": one.kind.value})
            if touched:
                await self._wakes()
            if len(touched) < BATCH:
                return

    def _note(self, reason: str) -> None:
        if reason and reason != self._failing:
            _log.warning("revocations cannot be spread at the moment", extra={"reason": reason})
        elif not reason and self._failing:
            _log.info("revocations are spread again")
        self._failing = reason
