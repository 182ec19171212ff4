"""Gathers appends that arrive while a commit is under way into the next one: one wait for the disk, many answers.

An append is answered only after its group is on disk. What waits is bounded; beyond the bound an append is refused at
once, never dropped. One poisoned submission must not fail those that were gathered with it.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError

from amas_audit.domain.errors import LogDamagedError, log_damaged, log_overloaded
from amas_audit.domain.model import Appended, Submission
from amas_audit.domain.preparing import prepare

# Bounds of one commit; a single submission always fits.
MAX_GROUP_EVENTS = 1024
MAX_GROUP_BYTES = 8 << 20
# Bounds of what waits in memory.
MAX_WAITING_EVENTS = 16_384
MAX_WAITING_BYTES = 64 << 20

_LOG = logging.getLogger(__name__)

Outcome = tuple[Appended, ...] | AmasError
Commit = Callable[[Sequence[Submission]], Awaitable[Sequence[Outcome]]]


class QueueTelemetry(Protocol):
    """What the queue tells about itself."""

    def waiting(self, events: int) -> None:
        """So many events wait."""
        ...

    def lag(self, seconds: float) -> None:
        """The oldest append of the next group has waited so long."""
        ...


@dataclass(frozen=True, slots=True)
class _Waiting:
    submission: Submission
    since: float
    answer: asyncio.Future[tuple[Appended, ...]]


class GroupCommit:
    """The log as the use cases see it; `commit` writes one group and answers each of its submissions."""

    def __init__(self, commit: Commit, telemetry: QueueTelemetry, clock: Clock) -> None:
        self._commit = commit
        self._telemetry = telemetry
        self._clock = clock
        self._queue: deque[_Waiting] = deque()
        self._events = 0
        self._bytes = 0
        self._worker: asyncio.Task[None] | None = None

    async def append(self, submission: Submission) -> tuple[Appended, ...]:
        """Append with the next group. AmasError LOG_OVERLOADED, or whatever the commit answers."""
        if (
            self._events + len(submission.events) > MAX_WAITING_EVENTS
            or self._bytes + submission.size > MAX_WAITING_BYTES
        ):
            raise log_overloaded()
        # Now, while the group before is being written, and not in the turn that all others wait for.
        ready = prepare(submission)
        waiting = _Waiting(ready, self._clock.monotonic(), asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._count(submission, +1)
        if self._worker is None:
            # In a context of its own: a group belongs to no single request's trace.
            self._worker = asyncio.create_task(self._work(), context=contextvars.Context())
        return await waiting.answer

    async def close(self) -> None:
        """Wait for what was accepted."""
        if self._worker is not None:
            await self._worker

    async def _work(self) -> None:
        try:
            while self._queue:
                group = self._take()
                if group:
                    self._telemetry.lag(self._clock.monotonic() - group[0].since)
                    await self._answer(group)
        finally:
            self._worker = None

    def _take(self) -> list[_Waiting]:
        """The next group, without those whose caller has gone."""
        group: list[_Waiting] = []
        events = size = 0
        while self._queue:
            submission = self._queue[0].submission
            events += len(submission.events)
            size += submission.size
            if group and (events > MAX_GROUP_EVENTS or size > MAX_GROUP_BYTES):
                break
            waiting = self._queue.popleft()
            self._count(submission, -1)
            if not waiting.answer.done():
                group.append(waiting)
        return group

    async def _answer(self, group: Sequence[_Waiting]) -> None:
        try:
            outcomes = await self._commit([waiting.submission for waiting in group])
        except AmasError as error:
            for waiting in group:
                _refuse(waiting, _copy(error))
            return
        except LogDamagedError:
            _LOG.critical("the stored log does not fit its signed checkpoint: nothing is appended", exc_info=True)
            for waiting in group:
                _refuse(waiting, log_damaged())
            return
        except Exception as error:
            await self._answer_apart(group, error)
            return
        for waiting, outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, AmasError):
                _refuse(waiting, outcome)
            elif not waiting.answer.done():
                waiting.answer.set_result(outcome)

    async def _answer_apart(self, group: Sequence[_Waiting], error: Exception) -> None:
        """A group that failed for a reason of its content is tried again one by one, so that only the culprit fails."""
        if len(group) > 1:
            _LOG.warning("a group of %d appends failed; each is tried alone", len(group), exc_info=error)
            for waiting in group:
                await self._answer([waiting])
        else:
            _refuse(group[0], error)

    def _count(self, submission: Submission, sign: int) -> None:
        self._events += sign * len(submission.events)
        self._bytes += sign * submission.size
        self._telemetry.waiting(self._events)


def _refuse(waiting: _Waiting, error: Exception) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(error)


def _copy(error: AmasError) -> AmasError:
    """One exception for each caller: a raised exception collects the traceback of whoever raises it."""
    copy = AmasError(
        error.kind,
        error.reason,
        error.message,
        metadata=error.metadata,
        violations=error.violations,
        retry_after=error.retry_after,
    )
    copy.__cause__ = error.__cause__
    return copy
