"""The active bundle of each tenant, kept for a moment so that model calls do not wait for the orchestrator.

A copy older than FRESH is answered at once while a new one is fetched in the background; older than STALE it is not
answered any more: a bundle that was taken away must not live on here because the orchestrator is slow.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass

from amas.orchestrator.v1 import orchestrator_pb2 as pb
from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError

from amas_gateway.domain.model import ActiveBundle

from .orchestrator_calls import OrchestratorCalls

FRESH_SECONDS = 1.0
STALE_SECONDS = 10.0
# A bundle has up to 16 MB; most have some tens of KB.
MAX_TENANTS = 64
CALL_TIMEOUT_SECONDS = 5.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Kept:
    bundle: ActiveBundle
    at: float


class ActiveBundles:
    """Port `Bundles`. One fetch at a time for each tenant, which all its callers share."""

    def __init__(self, orchestrator: OrchestratorCalls, clock: Clock) -> None:
        self._orchestrator = orchestrator
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._fetches: dict[str, asyncio.Task[ActiveBundle]] = {}
        # Fetches that began before something was forgotten: answered to their callers, and kept for nobody.
        self._overtaken: set[asyncio.Task[ActiveBundle]] = set()

    async def active(self, tenant: str) -> ActiveBundle:
        """Raises the orchestrator's error when nothing usable is kept and nothing can be fetched."""
        kept = self._kept.get(tenant)
        age = self._clock.monotonic() - kept.at if kept else STALE_SECONDS
        if kept is None or age >= STALE_SECONDS:
            # Each caller, for each has a request in memory; the fetch itself is never held.
            return await self._orchestrator.hold(tenant, lambda: asyncio.shield(self._fetch(tenant)))
        if age >= FRESH_SECONDS:
            self._fetch(tenant).add_done_callback(_note_failure)
        self._kept.move_to_end(tenant)
        return kept.bundle

    def forget(self, tenant: str) -> None:
        """Drops what is kept; a fetch under way may still bring what was."""
        self._kept.pop(tenant, None)
        task = self._fetches.pop(tenant, None)
        if task is not None and not task.done():
            self._overtaken.add(task)

    def _fetch(self, tenant: str) -> asyncio.Task[ActiveBundle]:
        task = self._fetches.get(tenant)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._fetched(tenant))
            self._fetches[tenant] = task
            task.add_done_callback(lambda ended: self._over(tenant, ended))
        return task

    async def _fetched(self, tenant: str) -> ActiveBundle:
        request = pb.GetBundleRequest(tenant=tenant)
        with self._orchestrator.hold.wanted():
            answer = await self._orchestrator.once(lambda stub: stub.GetBundle(request, timeout=CALL_TIMEOUT_SECONDS))
        bundle = ActiveBundle(answer.bundle.digest, answer.content)
        if asyncio.current_task() in self._overtaken:
            return bundle
        self._kept[tenant] = _Kept(bundle, self._clock.monotonic())
        self._kept.move_to_end(tenant)
        while len(self._kept) > MAX_TENANTS:
            self._kept.popitem(last=False)
        return bundle

    def _over(self, tenant: str, ended: asyncio.Task[ActiveBundle]) -> None:
        self._overtaken.discard(ended)
        if self._fetches.get(tenant) is ended:
            del self._fetches[tenant]


def _note_failure(task: asyncio.Task[ActiveBundle]) -> None:
    error = None if task.cancelled() else task.exception()
    if isinstance(error, AmasError):
        _log.warning("the active bundle could not be refreshed: %s", error.reason)
    elif error is not None:
        _log.error("the active bundle could not be refreshed", exc_info=error)
