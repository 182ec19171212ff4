"""Starts a run; with an idempotency key, once."""

from __future__ import annotations

from dataclasses import dataclass

from amas_gateway.domain import tenancy
from amas_gateway.domain.model import Principal, Started
from amas_gateway.ports import Runs


@dataclass(frozen=True, slots=True)
class StartRun:
    runs: Runs

    async def __call__(
        self, principal: Principal, orchestration: str, input_json: str, idempotency_key: str = ""
    ) -> Started:
        """`input_json` is JSON text that fits the orchestration's input schema, which the orchestrator checks."""
        started = await self.runs.start(principal, orchestration, input_json, idempotency_key)
        tenancy.check(principal, started.run.tenant, "run")
        return started
