"""One at work among several replicas: a Lease (coordination.k8s.io), by the election of the Kubernetes client.

The election alone is no fence: one that lost the lease may still be in the middle of a request. That is harmless here,
since what two of them would apply is what stands in the cluster.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from kubernetes.aio import client
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock

TIMEOUT_S = 5.0

_log = logging.getLogger(__name__)
_LOST = (aiohttp.ClientError, TimeoutError, OSError, client.ApiException)


class _Lock(LeaseLock):
    """Whose requests end in time; a connection that is lost counts as a refusal, and not as the election's end."""

    async def get(self, name: str, namespace: str) -> Any:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await super().get(name, namespace)
        except _LOST as error:
            return False, client.ApiException(
                status=0, reason=f"the API server cannot be reached: {type(error).__name__}"
            )

    async def create(self, name: str, namespace: str, election_record: Any) -> bool:
        # Not super(): it hands over `pretty=True`, which its own client refuses (it must be a text).
        lease = client.V1Lease(metadata=client.V1ObjectMeta(name=name), spec=self.update_lease(election_record))
        return await _bounded(self._created(namespace, lease))

    async def _created(self, namespace: str, lease: client.V1Lease) -> bool:
        self.lease_reference = await self.api_instance.create_namespaced_lease(namespace, lease)
        return True

    async def update(self, name: str, namespace: str, updated_record: Any) -> bool:
        return await _bounded(super().update(name, namespace, updated_record))


class Lease:
    """Does work while we are the holder."""

    def __init__(self, api_client: client.ApiClient, namespace: str, name: str, identity: str, seconds: int) -> None:
        self._client = api_client
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._seconds = seconds

    async def while_held(self, work: Callable[[], Awaitable[None]], leading: Callable[[bool], None]) -> None:
        """Until it is cancelled, or `work` fails. Work is cancelled when the lease is lost, and begun anew with it."""
        while True:
            working: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            tasks: list[asyncio.Task[None]] = []

            async def lead(ended: asyncio.Future[None] = working, mine: list[asyncio.Task[None]] = tasks) -> None:
                mine.append(asyncio.current_task())  # type: ignore[arg-type]  # within a task there is one
                leading(True)
                try:
                    await work()
                except Exception as error:
                    if not ended.done():
                        ended.set_exception(error)
                finally:
                    leading(False)

            election = asyncio.create_task(self._election(lead).run())
            try:
                await asyncio.wait((election, working), return_when=asyncio.FIRST_COMPLETED)
                if working.done():
                    working.result()
                election.result()
                _log.warning("the lease is lost")
            finally:
                await _cancelled(election, *tasks)
                if tasks:
                    await self._let_go()

    def _election(self, lead: Callable[[], Any]) -> LeaderElection:
        async def stopped() -> None:
            pass

        lock = _Lock(self._name, self._namespace, self._identity, self._client)
        return LeaderElection(
            Config(
                lock,
                lease_duration=self._seconds,
                renew_deadline=self._seconds * 2 / 3,
                retry_period=max(1.0, self._seconds / 6),
                onstarted_leading=lead,
                onstopped_leading=stopped,
            )
        )

    async def _let_go(self) -> None:
        """So that another need not wait for the lease to run out; if it is still ours."""
        api = client.CoordinationV1Api(self._client)
        with contextlib.suppress(*_LOST):
            async with asyncio.timeout(TIMEOUT_S):
                lease: Any = await api.read_namespaced_lease(self._name, self._namespace)
                if lease.spec.holder_identity == self._identity:
                    lease.spec.holder_identity = ""
                    lease.spec.lease_duration_seconds = 1
                    await api.replace_namespaced_lease(self._name, self._namespace, lease)


async def _bounded(request: Awaitable[bool]) -> bool:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await request
    except _LOST:
        return False


async def _cancelled(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
