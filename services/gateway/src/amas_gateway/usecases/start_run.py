"""Starts a run, once: a request that is asked again on its way to the orchestrator is the same request."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

from amas_gateway.domain import tenancy
from amas_gateway.domain.model import Principal, Started
from amas_gateway.ports import Runs


@dataclass(frozen=True, slots=True)
class StartRun:
    runs: Runs

    async def __call__(
        self, principal: Principal, orchestration: str, input_json: str, idempotency_key: str = ""
    ) -> Started:
        """`input_json` is JSON text that fits the orchestration's input schema, which the orchestrator checks.

        Channels ask again when an orchestrator went away before it answered, although it may have begun: hence a key of
        this request where its caller gave none. To such a caller the run is always a new one.
        """
        key = idempotency_key or f"gateway/{uuid.uuid4()}"
        started = await self.runs.start(principal, orchestration, input_json, key)
        tenancy.check(principal, started.run.tenant, "run")
        return started if idempotency_key else replace(started, existed=False)
