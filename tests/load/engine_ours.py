"""Our engine as a process: the orchestrator's use cases and real stores, with neighbours that answer at once."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from amas_chassis.clock import SystemClock
from amas_governance.bundle import Bundle, PolicySet
from amas_governance.labels import Confidentiality, Integrity, Label
from amas_governance.loader import SourceFile, load
from amas_governance.revocations import Revoked
from amas_orchestrator.adapters.approval_store import PostgresApprovals
from amas_orchestrator.adapters.bundle_store import PostgresBundles
from amas_orchestrator.adapters.dbos_engine import DbosEngine, EngineLimits
from amas_orchestrator.adapters.migrate import newest_revision
from amas_orchestrator.adapters.notifications import Notifications
from amas_orchestrator.adapters.postgres_pool import wait_for_database
from amas_orchestrator.adapters.revocation_store import PostgresRevocations
from amas_orchestrator.adapters.run_store import PostgresRuns
from amas_orchestrator.adapters.step_gate import StepGate
from amas_orchestrator.domain.conversation import ToolInfo
from amas_orchestrator.domain.events import AuditRecord
from amas_orchestrator.domain.model import Json, Principal, Run, Usage
from amas_orchestrator.ports import Actor, Decision, Enforced, Grant, ModelReply
from amas_orchestrator.telemetry import OrchestratorTelemetry
from amas_orchestrator.usecases.ask_human import AskHuman
from amas_orchestrator.usecases.patience import Patience
from amas_orchestrator.usecases.run_action import ActionRunner
from amas_orchestrator.usecases.run_orchestration import RunOrchestration
from amas_orchestrator.usecases.run_step import StepRunner
from amas_orchestrator.usecases.run_turn import TurnRunner
from amas_orchestrator.usecases.send_wakes import SendWakes
from amas_orchestrator.usecases.spread_revocations import SpreadRevocations
from amas_orchestrator.usecases.start_run import StartRun
from amas_orchestrator.usecases.write_record import Recorder
from prometheus_client import CollectorRegistry

from .engine_load import Spent, main, spend

RESOURCES = Path(__file__).parent / "reference" / "engine.yaml"
DEVELOPER = Principal("developer", "https://issuer", "acme", ("developer",), ())
UNTRUSTED = Label(Confidentiality.INTERNAL, frozenset(), Integrity.UNTRUSTED)
READS = 2
"""Calls that the model asks for in each step, one a turn, before it answers."""
# As the service's defaults; the lease is held for longer than any measurement.
LIMITS = EngineLimits(runs=256, runs_of_tenant=128, poll_seconds=0.1)
LEASE_S = 3600.0
CONNECT_S = 30.0


class Neighbours:
    """ModelClient, Enforcer, AuditLog and RevocationCopies that answer at once."""

    def __init__(self) -> None:
        call = {"id": "c0", "type": "function", "function": {"name": "notes__read", "arguments": '{"text":"a"}'}}
        self._asks = _completion({"role": "assistant", "content": "", "tool_calls": [call]}, "tool_calls")
        self._answers = _completion({"role": "assistant", "content": '{"text":"a"}'}, "stop")
        self._usage = Usage(10, 0, 5, Decimal("0.001"), "USD")
        schema = {"type": "object", "properties": {"text": {"type": "string"}}}
        self._tools = [ToolInfo("notes/read", "Reads.", schema, "read", True)]
        self._revocations = 0

    async def complete(self, actor: Actor, route: str, body: bytes, key: str) -> ModelReply:
        """See ModelClient."""
        answer = self._asks if actor.turn < READS else self._answers
        return ModelReply(answer, "scripted", "scripted", self._usage, 1, 0)

    async def list_tools(self, actor: Actor) -> list[ToolInfo]:
        """See Enforcer."""
        return self._tools

    async def enforce(self, actor: Actor, tool: str, arguments: Json, key: str, grant: Grant | None = None) -> Enforced:
        """See Enforcer."""
        decision = Decision("d", "allow", (), (), actor.bundle, "sha256:0")
        return Enforced(decision, "succeeded", "what was read", UNTRUSTED, 0)

    async def describe(self, bundle: str, server: str, tenant: str) -> tuple[list[ToolInfo], str, str]:
        """See Enforcer."""
        return self._tools, "", ""

    async def append(self, run: Run, records: Sequence[AuditRecord], fencing_token: int) -> None:
        """See AuditLog."""

    async def append_for_tenant(self, principal: Principal, record: AuditRecord, bundle: str) -> None:
        """See AuditLog."""

    async def version(self) -> int:
        """See RevocationCopies."""
        return self._revocations

    async def replace(self, revoked: Revoked) -> int:
        """See RevocationCopies."""
        self._revocations = revoked.version
        return self._revocations


def _completion(message: Json, reason: str) -> bytes:
    return json.dumps({"choices": [{"message": message, "finish_reason": reason}]}).encode()


class Ends:
    """Durable workflows of runs, and who waits for each to end."""

    def __init__(self, orchestration: RunOrchestration) -> None:
        self._orchestration = orchestration
        self._waiting: dict[str, asyncio.Event] = {}

    def of(self, run_id: str) -> asyncio.Event:
        """Set when the run's workflow has returned."""
        return self._waiting.setdefault(run_id, asyncio.Event())

    async def run(self, run_id: str, durable: object) -> Json:
        """The workflow."""
        answer = await self._orchestration.run(run_id, durable)  # type: ignore[arg-type]  # the engine's own
        self.of(run_id).set()
        return answer


async def measure(dsn: str, workflows: int) -> Spent:
    """Wires the orchestrator without its network, and measures."""
    clock, telemetry = SystemClock(), OrchestratorTelemetry(CollectorRegistry())
    database = await wait_for_database(dsn, newest_revision(), CONNECT_S)
    runs, bundles = PostgresRuns(database), PostgresBundles(database)
    notifications, gate = Notifications(dsn), StepGate(clock)
    gate.renewed(clock.monotonic(), LEASE_S)
    neighbours, patience = Neighbours(), Patience(clock, telemetry)
    recorder = Recorder(neighbours, runs, patience)
    approvals = PostgresApprovals(database)
    human = AskHuman(approvals, recorder, patience, clock)
    actions = ActionRunner(neighbours, human, recorder, patience, clock, telemetry)
    engine = DbosEngine(dsn, "dbos", "executor-bench", gate, LIMITS)
    history = PostgresRevocations(database)
    revocations = SpreadRevocations(history, neighbours, runs, SendWakes(approvals, engine), clock)
    turns = TurnRunner(neighbours, neighbours, actions, revocations, recorder, patience, clock, telemetry)
    steps = StepRunner(turns, actions, clock, telemetry)
    ends = Ends(RunOrchestration(runs, approvals, bundles, steps, recorder, patience, notifications, clock, telemetry))
    await engine.launch(ends.run, _no_spawned)
    background = [
        asyncio.create_task(notifications.listen(runs.to_cancel)),
        asyncio.create_task(revocations.keep()),
    ]
    await _apply(bundles, clock)
    start = StartRun(runs, bundles, revocations, history, engine, clock)

    async def one() -> None:
        run, _ = await start(DEVELOPER, "engine", '{"topic":"a"}', "", "")
        await ends.of(run.id).wait()

    async def settled() -> bool:
        return not await engine.executors_at_work()

    try:
        return await spend(one, settled, workflows)
    finally:
        for work in background:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
        await engine.stop()
        await database.close()


async def _apply(bundles: PostgresBundles, clock: SystemClock) -> None:
    loaded = load([SourceFile(RESOURCES.name, RESOURCES.read_text())])
    if loaded.problems:
        raise ValueError(f"the benchmark's resources do not load: {loaded.problems}")
    bundle = Bundle.build(loaded.resources, PolicySet({"p.rego": "package p"}, b"wasm"))
    active = await bundles.active(DEVELOPER.tenant)
    await bundles.activate(DEVELOPER, bundle, active[0].digest if active else "", clock.now())


async def _no_spawned(arguments: Json, durable: object) -> Json:
    raise AssertionError("all steps of this orchestration run inside the run's own workflow")


if __name__ == "__main__":
    main(measure)
