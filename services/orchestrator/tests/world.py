"""A run without a database, an engine or a network: the real use cases on the fakes."""

from __future__ import annotations

import json
from typing import Any

from amas_governance.bundle import Bundle
from amas_orchestrator.domain.answering import Verdict
from amas_orchestrator.domain.approvals import Approval, ApprovalState
from amas_orchestrator.domain.model import Json, Principal, Run
from amas_orchestrator.domain.rendering import rendering_digest
from amas_orchestrator.usecases.ask_administration import AskAdministration
from amas_orchestrator.usecases.ask_delegation import AskDelegation
from amas_orchestrator.usecases.ask_human import AskHuman
from amas_orchestrator.usecases.decide_approval import DecideApproval
from amas_orchestrator.usecases.edit_action import EditAction
from amas_orchestrator.usecases.lower_label import LowerLabel
from amas_orchestrator.usecases.patience import Patience
from amas_orchestrator.usecases.restore import Restore
from amas_orchestrator.usecases.revoke import Revoke
from amas_orchestrator.usecases.run_action import ActionRunner
from amas_orchestrator.usecases.run_orchestration import RunOrchestration
from amas_orchestrator.usecases.run_step import StepRunner
from amas_orchestrator.usecases.run_turn import TurnRunner
from amas_orchestrator.usecases.send_notices import SendNotices
from amas_orchestrator.usecases.send_wakes import SendWakes
from amas_orchestrator.usecases.show_answers import ShowAnswers
from amas_orchestrator.usecases.spread_revocations import SpreadRevocations
from amas_orchestrator.usecases.start_run import StartRun
from amas_orchestrator.usecases.write_record import Recorder

from . import resources
from .fake_revocations import FakeCopies, FakeRevocations
from .fake_stores import FakeApprovals, FakeBundles, FakeRuns
from .fakes import (
    DEVELOPER,
    MANAGER,
    FakeAudit,
    FakeCancellations,
    FakeDurable,
    FakeEnforcer,
    FakeEngine,
    FakeMetrics,
    FakeModel,
    Say,
    clock,
    policies,
)


def says(output: Any) -> Json:
    """A final answer."""
    return {"role": "assistant", "content": output if isinstance(output, str) else json.dumps(output)}


def calls(*functions: tuple[str, Any]) -> Json:
    """An answer that asks for calls; arguments that are texts go as they are."""
    made = [
        {
            "id": f"c{index}",
            "type": "function",
            "function": {"name": name, "arguments": args if isinstance(args, str) else json.dumps(args)},
        }
        for index, (name, args) in enumerate(functions)
    ]
    return {"role": "assistant", "content": "", "tool_calls": made}


def results(messages: list[Json]) -> list[str]:
    """What the tools have answered so far."""
    return [message["content"] for message in messages if message["role"] == "tool"]


def topic(messages: list[Json]) -> str:
    """The topic in the input of a step."""
    return str(json.loads(messages[1]["content"])["topic"])


class World:
    """Everything that a run needs."""

    def __init__(self, bundle: Bundle, say: Say, enforcer: FakeEnforcer | None = None) -> None:
        self.clock = clock()
        self.model, self.enforcer, self.audit = FakeModel(say), enforcer or FakeEnforcer(), FakeAudit()
        self.runs = FakeRuns()
        self.approvals = FakeApprovals(self.runs)
        self.bundles, self.engine = FakeBundles(bundle), FakeEngine()
        self.metrics, self.cancellations = FakeMetrics(), FakeCancellations()
        self.wakes = SendWakes(self.approvals, self.engine)
        self.revocations, self.copies = FakeRevocations(self.runs, self.bundles), FakeCopies()
        self.spread = SpreadRevocations(self.revocations, self.copies, self.runs, self.wakes, self.clock)
        ask = AskAdministration(self.enforcer, policies())
        self.revoke = Revoke(self.revocations, self.bundles, ask, self.audit, self.spread, self.clock)
        self.restore = Restore(self.revocations, self.bundles, ask, self.audit, self.spread, self.clock)
        self.patience = Patience(self.clock, self.metrics, self._sleep)
        answers = ShowAnswers(self.enforcer, self.patience)
        recorder = Recorder(self.audit, self.runs, answers, self.patience)
        human = AskHuman(self.approvals, recorder, answers, self.patience, self.clock)
        actions = ActionRunner(self.enforcer, human, recorder, self.patience, self.clock, self.metrics)
        turns = TurnRunner(
            self.model, self.enforcer, actions, self.spread, recorder, self.patience, self.clock, self.metrics
        )
        delegation = AskDelegation(self.enforcer, recorder, self.patience, self.clock)
        self.orchestrations = RunOrchestration(
            self.runs,
            self.approvals,
            self.bundles,
            StepRunner(turns, actions, delegation, LowerLabel(human, self.clock), recorder, self.clock, self.metrics),
            recorder,
            answers,
            self.patience,
            self.cancellations,
            self.clock,
            self.metrics,
        )
        self.notices = SendNotices(self.approvals, self.runs, self.audit, self.clock)
        self.edits = EditAction(self.approvals, self.runs, self.enforcer, self.clock)
        self.decide_approval = DecideApproval(self.approvals, self.edits, self.audit, self.wakes, self.clock)
        self.start_run = StartRun(self.runs, self.bundles, self.spread, self.revocations, self.engine, self.clock)

    async def start(self, orchestration: str, value: Any = None) -> FakeDurable:
        """A started run's workflow, not begun."""
        run, _ = await self.start_run(DEVELOPER, orchestration, json.dumps(value or {"topic": "a"}), "", "")
        return FakeDurable(self, run.id)

    async def run(self, orchestration: str, value: Any = None, *humans: Any) -> Run:
        """A run to its end; `humans` are asked in turn when it waits."""
        workflow = await self.start(orchestration, value)
        workflow.humans = list(humans)
        return await self.finish(workflow)

    async def finish(self, workflow: FakeDurable) -> Run:
        """The run of a workflow, after the workflow."""
        await self.orchestrations.run(workflow.workflow_id, workflow)
        return self.runs.runs[workflow.workflow_id]

    def pending(self) -> Approval:
        """The one pending approval."""
        [found] = [a for a in self.approvals.stored.values() if a.state is ApprovalState.PENDING]
        return found

    async def edit(self, arguments: Json, principal: Principal = MANAGER) -> Approval:
        """Approves the one pending approval with other arguments, as they were previewed."""
        text = json.dumps(arguments)
        seen = await self.edits.preview(principal, self.pending().id, text)
        verdict = Verdict(True, "edited", seen.edit.action_digest, seen.rendering_digest)
        return await self.decide_approval(principal, self.pending().id, verdict, text)

    async def decide(self, approve: bool, principal: Principal = MANAGER) -> Approval:
        """Answers the one pending approval."""
        pending = [self.pending()]
        return await self.decide_approval(
            principal,
            pending[0].id,
            Verdict(approve, "because", pending[0].action_digest, rendering_digest(pending[0])),
        )

    async def _sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)


WORKER = resources.role("worker")


def world(say: Say, *texts: str) -> World:
    """A world with one worker and the orchestration `single`."""
    return World(resources.bundle_of(resources.SHARED, *(texts or (WORKER,)), resources.SINGLE), say)
