"""Wires a re-run: the orchestrator's use cases and clients as its bootstrap wires them, on what the record gives.

There is no channel and no socket here: behind each client stands an object that reads the record.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

from amas_chassis.channels import Client
from amas_governance.bundle import Bundle
from amas_orchestrator.adapters.audit_client import AuditClient
from amas_orchestrator.adapters.policy_client import PolicyClient
from amas_orchestrator.adapters.router_client import RouterClient
from amas_orchestrator.domain.conversation import ToolInfo
from amas_orchestrator.domain.model import Run
from amas_orchestrator.ports import Actor, ApprovalStore, BundleStore, Metrics, RunStore
from amas_orchestrator.usecases.ask_delegation import AskDelegation
from amas_orchestrator.usecases.ask_human import AskHuman
from amas_orchestrator.usecases.lower_label import LowerLabel
from amas_orchestrator.usecases.patience import Patience
from amas_orchestrator.usecases.run_action import ActionRunner
from amas_orchestrator.usecases.run_orchestration import RunOrchestration
from amas_orchestrator.usecases.run_step import StepRunner
from amas_orchestrator.usecases.run_turn import TurnRunner
from amas_orchestrator.usecases.show_answers import ShowAnswers
from amas_orchestrator.usecases.write_record import Recorder

from .clock import RecordedClock
from .decisions import EmbeddedEngine
from .deriving import Deriving
from .engine import Branches, MemoryDurable, NobodyCancels
from .log import ReplayedLog
from .outcomes import Difference, Reached, RecordEnds
from .recording import Recording
from .router import RecordedRouter
from .sidecar import RecordedSidecar
from .stores import NothingRevoked, OneBundle, OneRun, RecordedApprovals, recorded_run
from .watching import Watching


@dataclass
class Rerun:
    """What came of running the run again."""

    events_same: int = 0
    events_expected: int = 0
    model_calls: int = 0
    tool_calls: int = 0
    model_decisions: int = 0
    differences: list[Difference] = field(default_factory=list)
    ends: list[RecordEnds] = field(default_factory=list)
    """Where the record had an end; a whole record of a run that ended has none."""
    reached: bool = False
    """Whether it came to where it was to stop."""


class _Stub:
    """A client's stub, as the clients of the orchestrator hold one."""

    def __init__(self, stub: object) -> None:
        self.stub = stub


class Rerunning:
    """One re-run of one recorded run under its bundle."""

    def __init__(self, recording: Recording, bundle: Bundle, *, until: str = "") -> None:
        self._recording = recording
        self._run: Run = recorded_run(recording)
        clock = RecordedClock(recording, self._run.started_at or self._run.created_at)
        self._branches, self._clock = Branches(), clock
        self._deriving = Deriving(bundle, EmbeddedEngine(bundle).engine, clock)
        self._log = ReplayedLog(recording)
        self._router = RecordedRouter(recording, self._deriving)
        self._sidecar = RecordedSidecar(recording, bundle, self._deriving)
        self.approvals = RecordedApprovals(recording)
        self.watching = Watching(until)
        self._orchestration = self._wired(bundle)

    def _wired(self, bundle: Bundle) -> RunOrchestration:
        clock, metrics = self._clock, cast("Metrics", _Uncounted())
        runs = cast("RunStore", OneRun(self._run, self._recording, clock))
        approvals = cast("ApprovalStore", self.approvals)
        patience = Patience(clock, metrics, _no_pause)
        enforcer = _Enforcer(_client(self._sidecar), _content)
        answers = ShowAnswers(enforcer, patience)
        recorder = Recorder(AuditClient(_client(self._log)), runs, answers, patience)
        human = AskHuman(approvals, recorder, answers, patience, clock)
        actions = ActionRunner(enforcer, human, recorder, patience, clock, metrics)
        model = RouterClient(_client(self._router), _content)
        turns = TurnRunner(model, enforcer, actions, NothingRevoked(), recorder, patience, clock, metrics)
        delegation = AskDelegation(enforcer, recorder, patience, clock)
        steps = StepRunner(
            turns, actions, delegation, LowerLabel(human, clock), recorder, clock, metrics, self.watching
        )
        bundles = cast("BundleStore", OneBundle(bundle))
        cancels = NobodyCancels()
        return RunOrchestration(runs, approvals, bundles, steps, recorder, answers, patience, cancels, clock, metrics)

    async def run(self) -> Rerun:
        """Runs it to its end, to where it was to stop, or to where the record has an end in every branch."""
        result, run = Rerun(), self._recording.run
        spawned = self._orchestration.run_spawned
        workflow = MemoryDurable(run, "", self._clock, self._branches, spawned)
        whole = asyncio.ensure_future(self._orchestration.run(run, workflow))
        still = asyncio.ensure_future(self._branches.standstill())
        try:
            await asyncio.wait((whole, still), return_when=asyncio.FIRST_COMPLETED)
            if whole.done():
                whole.result()
        except RecordEnds as end:
            self._branches.ends.append(end)
        except Reached:
            result.reached = True
        finally:
            for task in (whole, still):
                task.cancel()
            await asyncio.gather(whole, still, return_exceptions=True)
        return self._told(result)

    def _told(self, result: Rerun) -> Rerun:
        result.ends = list(self._branches.ends)
        stopped = bool(result.ends) or result.reached
        result.events_same, differences = self._log.compare(whole=not stopped)
        result.events_expected = len(self._log.expected())
        result.model_calls, result.tool_calls = self._router.answered, self._sidecar.answered
        result.model_decisions = self._deriving.models
        result.differences = [*self._deriving.differences, *differences]
        return result


class _Enforcer(PolicyClient):
    """Lists of tools are not kept for a while: each turn has its own on record."""

    async def list_tools(self, actor: Actor) -> list[ToolInfo]:
        self._tools.clear()
        return await super().list_tools(actor)


class _Uncounted:
    """Metrics that nobody reads."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


def _client(stub: object) -> Client[Any]:
    return cast("Client[Any]", _Stub(stub))


async def _content(tenant: str, digest: str) -> bytes:
    raise RecordEnds("run", f"the bundle {digest} was asked for, and every part has it")


async def _no_pause(delay: float) -> None:
    """Nothing is away in a replay, so nothing is waited for."""
    raise RecordEnds("run", "a part of the replay did not answer")
