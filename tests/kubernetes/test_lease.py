"""The Lease against a real API server: who loses it stops, and who fails is not taken for one at work."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import pytest
from amas_operator.adapters.kubernetes_access import api_client
from amas_operator.adapters.lease import Lease

from .api_server import ApiServer

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
# Two thirds of it are the bound of a renewal: an API server that has much else to do needs some of that.
SECONDS = 15


async def test_who_loses_the_lease_stops_and_begins_anew_with_it(api_server: ApiServer) -> None:
    """Somebody else takes it by force; once that one is gone too, work begins again."""
    begun, stopped, leads = asyncio.Semaphore(0), asyncio.Event(), []

    async def work() -> None:
        begun.release()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with await api_client(api_server.kubeconfig()) as client:
        lease = Lease(client, "default", "contested", "ours", SECONDS)
        holding = asyncio.create_task(lease.while_held(work, leads.append))
        await begun.acquire()
        spec = {
            "holderIdentity": "theirs",
            "leaseDurationSeconds": SECONDS,
            "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        taken = await asyncio.to_thread(
            api_server.kubectl, "patch", "lease", "contested", "--type=merge", "-p", json.dumps({"spec": spec})
        )
        assert taken.code == 0, taken.err
        await stopped.wait()
        assert leads == [True, False]
        await begun.acquire()
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
    assert leads == [True, False, True, False]
    # Let go on the way out, so that the next need not wait.
    assert api_server.kubectl("get", "lease", "contested", "-o", "jsonpath={.spec.holderIdentity}").out == ""


async def test_work_that_fails_ends_the_holding(api_server: ApiServer) -> None:
    """A process whose work is dead must not go on renewing its lease."""

    async def work() -> None:
        raise RuntimeError("broken")

    async with await api_client(api_server.kubeconfig()) as client:
        lease = Lease(client, "default", "failing", "ours", SECONDS)
        with pytest.raises(RuntimeError, match="broken"):
            await lease.while_held(work, lambda _: None)
    assert api_server.kubectl("get", "lease", "failing", "-o", "jsonpath={.spec.holderIdentity}").out == ""
