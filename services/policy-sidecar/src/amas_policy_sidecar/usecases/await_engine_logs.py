"""Watches that each decision of the policy engine is logged by it, so that no loss is silent."""

from __future__ import annotations

import asyncio
import logging

from amas_chassis.clock import Clock

from amas_policy_sidecar.domain.engine_reports import AwaitedLogs
from amas_policy_sidecar.telemetry import Instruments

# Seconds between two looks for logs that are overdue.
TENDING = 5.0

_log = logging.getLogger(__name__)


class AwaitEngineLogs:
    """Counts decisions whose log never came."""

    def __init__(self, awaited: AwaitedLogs, clock: Clock, instruments: Instruments) -> None:
        self._awaited = awaited
        self._clock = clock
        self._instruments = instruments

    def answered(self, decision_id: str) -> None:
        """The engine has answered a decision; an engine that gives it no id will never log it."""
        if decision_id:
            self._missing(self._awaited.expect(decision_id, self._clock.monotonic()))
        else:
            self._missing(1)

    async def tend(self) -> None:
        """For the life of the process: gives up on what is overdue."""
        while True:
            await asyncio.sleep(TENDING)
            self.give_up()

    def give_up(self) -> None:
        """Counts what was waited for long enough."""
        self._missing(self._awaited.overdue(self._clock.monotonic()))

    def _missing(self, number: int) -> None:
        if number:
            self._instruments.engine_logs("missing", number)
            _log.error("decisions of the policy engine were not logged", extra={"decisions": number})
