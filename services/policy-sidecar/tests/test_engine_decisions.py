"""The engine's log goes on record whole, and what does not come or is not taken is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from amas_chassis.clock import ManualClock
from amas_chassis.errors import AmasError, ErrorKind
from amas_policy_sidecar.domain import engine_reports
from amas_policy_sidecar.domain.engine_reports import PATIENCE, AwaitedLogs, EngineDecision
from amas_policy_sidecar.domain.model import Event
from amas_policy_sidecar.ports import AppendAnswer
from amas_policy_sidecar.telemetry import ENGINE_LOG_RESULTS, Instruments
from amas_policy_sidecar.usecases.await_engine_logs import AwaitEngineLogs
from amas_policy_sidecar.usecases.record_engine_decisions import MAX_EVENTS, RecordEngineDecisions
from prometheus_client import CollectorRegistry

from .fakes import FakeAudit

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64


def entry(name: str) -> EngineDecision:
    return EngineDecision(
        id=name,
        time=NOW,
        instance="one",
        revision=DIGEST,
        effect="allow",
        codes=("TOOL_GRANTED",),
        failed=False,
        tenant="acme",
        subject="developer",
        step="publish",
        role="publisher",
        role_version="1.0.0",
        bundle=DIGEST,
        input_digest=DIGEST,
        traceparent="",
    )


class Picky(FakeAudit):
    """An audit that takes no event of the tenant `bad`, nor a request that holds one."""

    def __init__(self) -> None:
        super().__init__()
        self.kind = ErrorKind.INVALID_ARGUMENT
        self.sizes: list[int] = []

    async def append(self, events: Sequence[Event], *, fencing_token: int = 0) -> AppendAnswer:
        self.sizes.append(len(events))
        if any(event.context.principal.tenant == "bad" for event in events):
            raise AmasError(self.kind, "TEST", "refused")
        return await super().append(events, fencing_token=fencing_token)


class Counted:
    """The parts, and what their instruments count."""

    def __init__(self) -> None:
        self.registry, self.audit, self.awaited = CollectorRegistry(), Picky(), AwaitedLogs()
        instruments = Instruments(self.registry)
        self.clock = ManualClock(NOW)
        self.record = RecordEngineDecisions(self.audit, self.awaited, instruments)
        self.awaiting = AwaitEngineLogs(self.awaited, self.clock, instruments)

    def counts(self) -> dict[str, float]:
        results = ((name, {"result": name}) for name in ENGINE_LOG_RESULTS)
        values = {
            name: self.registry.get_sample_value("amas_policy_engine_logs_total", labels) for name, labels in results
        }
        return {name: value for name, value in values.items() if value}


async def test_all_is_recorded_in_parts_that_audit_takes() -> None:
    """However much OPA sends at once."""
    made = Counted()
    for number in range(MAX_EVENTS + 1):
        made.awaiting.answered(f"d{number}")
    await made.record([entry(f"d{number}") for number in range(MAX_EVENTS + 1)])
    assert made.audit.sizes == [MAX_EVENTS, 1]
    assert made.counts() == {"recorded": MAX_EVENTS + 1}
    assert len(made.awaited) == 0


async def test_what_audit_never_takes_holds_up_nobody() -> None:
    """It is counted as refused, and the others are recorded."""
    made = Counted()
    await made.record([entry("d1"), replace(entry("d2"), tenant="bad"), entry("d3")])
    assert made.counts() == {"recorded": 2, "refused": 1}


async def test_an_audit_that_is_away_is_said_so() -> None:
    """I2: raised, so that OPA keeps and sends it again; nothing counts as recorded or arrived."""
    made = Counted()
    made.audit.kind = ErrorKind.UNAVAILABLE
    made.awaiting.answered("d1")
    with pytest.raises(AmasError):
        await made.record([replace(entry("d1"), tenant="bad")])
    assert made.counts() == {}
    assert len(made.awaited) == 1


def test_a_log_that_does_not_come_in_time_is_missing() -> None:
    """Counted once, after its patience and not before."""
    made = Counted()
    made.awaiting.answered("d1")
    made.clock.advance(PATIENCE - 1)
    made.awaiting.answered("d2")
    made.awaiting.give_up()
    assert made.counts() == {}
    made.clock.advance(1)
    made.awaiting.give_up()
    made.awaiting.give_up()
    assert made.counts() == {"missing": 1}
    assert len(made.awaited) == 1


def test_what_is_awaited_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the bound are counted as missing, never forgotten."""
    monkeypatch.setattr(engine_reports, "MAX_AWAITED", 2)
    made = Counted()
    for name in ("d1", "d2", "d3"):
        made.awaiting.answered(name)
    assert made.counts() == {"missing": 1}
    assert len(made.awaited) == 2


def test_an_engine_that_will_not_log_shows_at_once() -> None:
    """An answer without a decision id has no log to wait for."""
    made = Counted()
    made.awaiting.answered("")
    assert made.counts() == {"missing": 1}
