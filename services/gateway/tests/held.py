"""The way to an orchestrator that is a stub."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from amas_chassis.clock import Clock, ManualClock
from amas_gateway.adapters.hold import Hold
from amas_gateway.adapters.orchestrator_calls import OrchestratorCalls
from amas_gateway.telemetry import Instruments
from prometheus_client import CollectorRegistry


class StubClient:
    """As much of a client as is used."""

    def __init__(self, stub: Any) -> None:
        self.stub = stub
        self.renewed = 0

    def renew(self) -> None:
        self.renewed += 1


def orchestrator_calls(stub: Any, clock: Clock | None = None, hold: Hold | None = None) -> OrchestratorCalls:
    """Calls of the stub; nothing is held unless `hold` does."""
    clock = clock or ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    hold = hold or Hold(Instruments(CollectorRegistry()), clock, seconds=0, most=1)
    client: Any = stub if isinstance(stub, StubClient) else StubClient(stub)
    return OrchestratorCalls(client, hold, clock)
