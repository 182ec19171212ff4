"""Joins requests with the same idempotency key, and remembers how they ended.

In memory, so only a shortcut and never the truth: that is the audit log. A caller that goes away does not end the work,
since its effect may have begun and its outcome has to be recorded.
"""

from __future__ import annotations

import asyncio
import collections
import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from amas_policy_sidecar.domain.errors import key_reused, overloaded
from amas_policy_sidecar.domain.model import Enforced

_log = logging.getLogger(__name__)

# Actions under way at once in this process.
MAX_RUNNING = 512
# Ended actions that are answered from memory.
MAX_FINISHED = 256
# Attempts whose intent may stand on the record although their call never began.
MAX_PREPARED = 4096

Identity = tuple[str, str]
"""Tenant and idempotency key."""


@dataclass(frozen=True)
class _Running:
    fingerprint: str
    task: asyncio.Task[Enforced]


class Attempts:
    """The actions of this process, by tenant and key."""

    def __init__(self) -> None:
        self._running: dict[Identity, _Running] = {}
        self._finished: collections.OrderedDict[Identity, tuple[str, Enforced]] = collections.OrderedDict()
        self._prepared: collections.OrderedDict[Identity, str] = collections.OrderedDict()

    async def join(
        self, identity: Identity, fingerprint: str, work: Callable[[], Awaitable[Enforced]]
    ) -> tuple[Enforced, bool]:
        """The answer to this key, and whether it was there already; `work` runs at most once at a time for each key."""
        finished = self._finished.get(identity)
        if finished is not None:
            if finished[0] != fingerprint:
                raise key_reused()
            return finished[1], True
        running = self._running.get(identity)
        if running is None:
            running = self._start(identity, fingerprint, work)
        elif running.fingerprint != fingerprint:
            raise key_reused()
        return await asyncio.shield(running.task), False

    def _start(self, identity: Identity, fingerprint: str, work: Callable[[], Awaitable[Enforced]]) -> _Running:
        if len(self._running) >= MAX_RUNNING:
            raise overloaded("TOO_MANY_ACTIONS", "too many actions are under way here", retry_after=1.0)

        async def run() -> Enforced:
            return await work()

        running = _Running(fingerprint, asyncio.get_running_loop().create_task(run(), name=f"enforce {identity[1]}"))
        self._running[identity] = running
        running.task.add_done_callback(lambda task: self._ended(identity, task))
        return running

    def _ended(self, identity: Identity, task: asyncio.Task[Enforced]) -> None:
        self._running.pop(identity, None)
        if not task.cancelled() and task.exception() is not None:
            # Those who waited have it too; if all went away, this is its only trace.
            _log.info("the action %s ended with an error: %s", identity[1], type(task.exception()).__name__)

    def remember(self, identity: Identity, fingerprint: str, answer: Enforced) -> None:
        """Answer this key from memory from now on."""
        self._finished[identity] = (fingerprint, answer)
        self._prepared.pop(identity, None)
        while len(self._finished) > MAX_FINISHED:
            self._finished.popitem(last=False)

    def prepare(self, identity: Identity) -> str:
        """An id for the attempt: the same again as long as its call has not begun.

        So an intent that was recorded while the acknowledgement got lost is recognised as one that led to no call.
        """
        attempt = self._prepared.setdefault(identity, str(uuid.uuid4()))
        while len(self._prepared) > MAX_PREPARED:
            self._prepared.popitem(last=False)
        return attempt

    def begin(self, identity: Identity) -> None:
        """The call begins: from here on another attempt is another attempt."""
        self._prepared.pop(identity, None)

    async def drain(self) -> None:
        """Wait until what is under way now has ended; the caller bounds the wait."""
        if self._running:
            await asyncio.wait([running.task for running in self._running.values()])
