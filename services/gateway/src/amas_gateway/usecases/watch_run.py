"""Follows a run's events over cuts of the connection to the orchestrator.

Events are handed on once and in order: a repeated sequence is dropped, and a gap ends the stream rather than being
passed over, since a client that resumes would never learn what it missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from amas_chassis.errors import AmasError, ErrorKind

from amas_gateway.domain.authorization import Action
from amas_gateway.domain.errors import principal_revoked
from amas_gateway.domain.model import TERMINAL_RUN_STATES, Principal, Run, RunEvent
from amas_gateway.ports import RevokedPrincipals, Runs

from .get_run import GetRun

# Cuts in a row, without one event in between, after which the client is told: about 12 seconds of a restart.
MAX_CUTS = 8
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 4.0

_CUT = frozenset({ErrorKind.UNAVAILABLE, ErrorKind.DEADLINE_EXCEEDED, ErrorKind.ABORTED})


@dataclass(frozen=True, slots=True)
class WatchRun:
    runs: Runs
    revoked: RevokedPrincipals
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def open(self, principal: Principal, run_id: str) -> Run:
        """The run, if the principal may watch it: asked before the stream begins, so that a no is a plain error."""
        return await GetRun(self.runs).for_action(principal, run_id, Action.RUN_WATCH)

    async def __call__(self, principal: Principal, run_id: str, after: int = 0) -> AsyncGenerator[RunEvent]:
        """Events after sequence `after`; ends when the run has ended. Raises REVOKED in place of the next event."""
        seen, cuts = after, 0
        while True:
            try:
                async with aclosing(self.runs.watch(principal, run_id, seen)) as events:
                    async for event in events:
                        if event.sequence <= seen:
                            continue
                        if event.sequence != seen + 1:
                            raise _gap()
                        if self.revoked.has(principal):
                            raise principal_revoked()
                        seen, cuts = event.sequence, 0
                        yield event
                return
            except AmasError as error:
                cuts += 1
                if error.kind not in _CUT or cuts > MAX_CUTS:
                    raise
            await self.pause(min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (cuts - 1)))


def is_over(run: Run) -> bool:
    """Whether nothing more can happen in the run."""
    return run.state in TERMINAL_RUN_STATES


def _gap() -> AmasError:
    return AmasError(ErrorKind.INTERNAL, "EVENTS_GAP", "The run's events have a gap. Ask again from the last one seen.")
