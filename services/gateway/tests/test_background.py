"""What runs beside requests: the queue of refusals and the active bundles."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from amas.audit.v1 import audit_pb2
from amas.orchestrator.v1 import orchestrator_pb2
from amas_chassis.clock import ManualClock, SystemClock
from amas_chassis.errors import AmasError, ErrorKind
from amas_gateway.adapters import active_bundles, denial_log
from amas_gateway.adapters.active_bundles import ActiveBundles
from amas_gateway.adapters.audit_client import AuditLog
from amas_gateway.adapters.denial_log import DenialLog
from amas_gateway.adapters.hold import Hold
from amas_gateway.domain.model import Denial
from amas_gateway.telemetry import Instruments
from prometheus_client import CollectorRegistry

from .held import orchestrator_calls


def clock() -> ManualClock:
    return ManualClock(datetime(2026, 1, 1, tzinfo=UTC))


class RecordingAudit(AuditLog):
    """Makes real events and keeps them instead of sending them."""

    def __init__(self) -> None:
        super().__init__(None, clock())  # type: ignore[arg-type]
        self.batches: list[Sequence[audit_pb2.AuditEvent]] = []
        self.down = False

    async def append(self, events: Sequence[audit_pb2.AuditEvent]) -> None:
        if self.down:
            raise AmasError(ErrorKind.UNAVAILABLE, "UPSTREAM_UNAVAILABLE", "away")
        self.batches.append(events)


async def test_equal_refusals_become_one_event_with_a_count() -> None:
    """A flood of the same refusal is one event that says how often; other refusals stay apart."""
    audit = RecordingAudit()
    log = DenialLog(audit, Instruments(CollectorRegistry()))
    for number in range(500):
        log.denied(Denial("TOKEN_SIGNATURE", "authenticate", trace_id=f"{number:032x}"))
    log.denied(Denial("ROLE_MISSING", "resource.apply", "acme", "someone"))
    await log.close()
    first, second = audit.batches[0]
    assert (first.type, first.tenant, first.principal) == ("dev.amas.access.denied", "_unauthenticated", "")
    assert json.loads(first.data_json) == {"action": "authenticate", "count": 500, "reason": "TOKEN_SIGNATURE"}
    assert first.trace_id == "0" * 32
    assert (second.tenant, second.principal) == ("acme", "someone")


async def test_many_different_refusals_are_counted_by_tenant_and_reason() -> None:
    """Beyond the bound a refusal loses its principal and its action, but is counted all the same."""
    audit, registry = RecordingAudit(), CollectorRegistry()
    log = DenialLog(audit, Instruments(registry))
    for number in range(denial_log.MAX_WAITING + 3):
        log.denied(Denial("ROLE_MISSING", "run.start", "acme", f"p{number}"))
    await log.close()
    events = [json.loads(event.data_json) for batch in audit.batches for event in batch]
    assert len(events) == denial_log.MAX_WAITING + 1
    assert events[-1] == {"action": "various", "count": 3, "reason": "ROLE_MISSING"}
    assert registry.get_sample_value("amas_gateway_outbox_lost_total", {"reason": "full"}) is None


async def test_refusals_of_too_many_tenants_are_lost_aloud(caplog: pytest.LogCaptureFixture) -> None:
    """Beyond the second bound too, each is counted, and a line in the log tells of all since the last flush."""
    audit, registry = RecordingAudit(), CollectorRegistry()
    log = DenialLog(audit, Instruments(registry))
    for number in range(denial_log.MAX_WAITING + denial_log.MAX_COARSE + 3):
        log.denied(Denial("ROLE_MISSING", "run.start", f"t{number}", "p"))
    await log.close()
    assert registry.get_sample_value("amas_gateway_outbox_lost_total", {"reason": "full"}) == 3
    assert [record.getMessage() for record in caplog.records] == ["refused accesses are lost"]


async def test_refusals_wait_while_audit_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are appended once audit is back; those that an exit cuts off are counted as lost."""
    monkeypatch.setattr(denial_log, "CLOSE_SECONDS", 0.05)
    audit, registry = RecordingAudit(), CollectorRegistry()
    log = DenialLog(audit, Instruments(registry))
    audit.down = True
    log.denied(Denial("ROLE_MISSING", "run.start", "acme", "p"))
    log.flush()
    running = asyncio.create_task(log.run())
    await asyncio.sleep(0)
    assert registry.get_sample_value("amas_gateway_outbox_events") == 1
    audit.down = False
    async with asyncio.timeout(60):
        while not audit.batches:  # noqa: ASYNC110 - what is waited for is a list of the fake
            await asyncio.sleep(0.01)
    running.cancel()
    audit.down = True
    log.denied(Denial("ROLE_MISSING", "run.start", "acme", "p"))
    await log.close()
    assert registry.get_sample_value("amas_gateway_outbox_lost_total", {"reason": "exit"}) == 1


class BundleStub:
    """GetBundle with a version that counts up; the test may hold answers back or fail them."""

    def __init__(self) -> None:
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def GetBundle(self, request: Any, timeout: float) -> orchestrator_pb2.GetBundleResponse:  # noqa: N802, ASYNC109 - the stub's
        self.asked += 1
        number = self.asked
        await self.gate.wait()
        if self.error:
            raise self.error
        answer = orchestrator_pb2.GetBundleResponse(content=request.tenant.encode())
        answer.bundle.digest = f"v{number}"
        return answer


@pytest.fixture
def stub() -> BundleStub:
    return BundleStub()


async def test_bundles_are_shared_by_callers_and_kept_apart_by_tenant(stub: BundleStub) -> None:
    """Many callers at once cost one fetch a tenant, and no tenant gets another's bundle (I8)."""
    bundles = ActiveBundles(orchestrator_calls(stub), clock())
    found = await asyncio.gather(*(bundles.active(tenant) for tenant in ["acme", "globex"] * 20))
    assert stub.asked == 2
    assert {bundle.content for bundle in found[::2]} == {b"acme"}
    assert {bundle.content for bundle in found[1::2]} == {b"globex"}


async def test_fresh_then_refreshed_behind_then_refused(stub: BundleStub) -> None:
    """Up to a second no fetch; then the old one is answered while a new one comes; a stale one is never answered."""
    time = clock()
    bundles = ActiveBundles(orchestrator_calls(stub), time)
    assert (await bundles.active("acme")).digest == "v1"
    time.advance(active_bundles.FRESH_SECONDS - 0.1)
    await bundles.active("acme")
    assert stub.asked == 1
    time.advance(0.2)
    stub.gate.clear()
    assert (await bundles.active("acme")).digest == "v1"
    stub.gate.set()
    await asyncio.gather(*bundles._fetches.values())
    assert (await bundles.active("acme")).digest == "v2"
    time.advance(active_bundles.STALE_SECONDS)
    stub.error = AmasError(ErrorKind.UNAVAILABLE, "UPSTREAM_UNAVAILABLE", "away")
    with pytest.raises(AmasError):
        await bundles.active("acme")


async def test_what_was_forgotten_is_asked_for_again(stub: BundleStub) -> None:
    """After a change no caller here gets what was kept, nor what a fetch from before the change brings late."""
    bundles = ActiveBundles(orchestrator_calls(stub), clock())
    assert (await bundles.active("acme")).digest == "v1"
    bundles.forget("acme")
    stub.gate.clear()
    early = asyncio.create_task(bundles.active("acme"))
    await asyncio.sleep(0)
    bundles.forget("acme")
    bundles.forget("globex")
    late = asyncio.create_task(bundles.active("acme"))
    await asyncio.sleep(0)
    stub.gate.set()
    assert ((await early).digest, (await late).digest) == ("v2", "v3")
    assert (await bundles.active("acme")).digest == "v3"
    assert not bundles._fetches
    assert not bundles._overtaken


async def test_callers_who_wait_for_one_fetch_are_each_held(stub: BundleStub) -> None:
    """Each has its request in memory: the bound on who is held counts callers, not fetches."""
    registry = CollectorRegistry()
    hold = Hold(Instruments(registry), SystemClock(), seconds=600, most=4)
    hold.left()
    bundles = ActiveBundles(orchestrator_calls(stub, hold=hold), clock())
    callers = [asyncio.create_task(bundles.active("acme")) for _ in range(3)]
    ended, _ = await asyncio.wait(callers, return_when=asyncio.FIRST_COMPLETED)
    with pytest.raises(AmasError, match="not available"):
        await ended.pop()
    assert registry.get_sample_value("amas_gateway_requests_held") == 2
    assert stub.asked == 0
    hold.came()
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert [answer.digest for answer in answers if not isinstance(answer, BaseException)] == ["v1", "v1"]


async def test_outage_shorter_than_stale_is_not_noticed(stub: BundleStub, caplog: pytest.LogCaptureFixture) -> None:
    """While the orchestrator restarts, model calls go on under the bundle that was active; the log says so."""
    time = clock()
    bundles = ActiveBundles(orchestrator_calls(stub), time)
    await bundles.active("acme")
    stub.error = AmasError(ErrorKind.UNAVAILABLE, "UPSTREAM_UNAVAILABLE", "away")
    time.advance(active_bundles.STALE_SECONDS - 1)
    assert (await bundles.active("acme")).digest == "v1"
    await asyncio.gather(*bundles._fetches.values(), return_exceptions=True)
    await asyncio.sleep(0)
    assert "could not be refreshed" in caplog.text
