"""A world in which enforcement is wired as in production but for the twins of the ports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from amas_chassis.clock import ManualClock
from amas_chassis.outbox import Outbox
from amas_governance.bundle import Bundle
from amas_policy_sidecar.adapters.bundle_store import BundleStore
from amas_policy_sidecar.domain.model import (
    ActionContext,
    ApprovalGrant,
    EnforceCommand,
    Event,
    Principal,
    ToolAction,
)
from amas_policy_sidecar.telemetry import Instruments
from amas_policy_sidecar.usecases.assess_autonomy import AssessAutonomy
from amas_policy_sidecar.usecases.attempts import Attempts
from amas_policy_sidecar.usecases.call_tool import CallTool
from amas_policy_sidecar.usecases.count_outcome import CountOutcome
from amas_policy_sidecar.usecases.decide_action import DecideAction
from amas_policy_sidecar.usecases.decide_administration import DecideAdministration
from amas_policy_sidecar.usecases.decide_delegation import DecideDelegation
from amas_policy_sidecar.usecases.enforce_action import EnforceAction
from amas_policy_sidecar.usecases.judge_action import JudgeAction
from amas_policy_sidecar.usecases.list_tools import ListTools
from amas_policy_sidecar.usecases.record_action import RecordAction
from amas_policy_sidecar.usecases.record_decision import RecordDecision
from amas_policy_sidecar.usecases.record_fault import RecordFault
from amas_policy_sidecar.usecases.record_outcome import RecordOutcome
from amas_policy_sidecar.usecases.record_waiting import RecordWaiting
from amas_policy_sidecar.usecases.take_quota import TakeQuota
from prometheus_client import CollectorRegistry

from .fakes import NOW, TRUSTED, FakeAudit, FakeAutonomy, FakeEngine, FakeQuota, FakeRevocations, FakeTools
from .manifests import PUBLISHER, bundle, tool_server


@dataclass
class World:
    """Everything that one enforcement needs."""

    bundle: Bundle = field(default_factory=lambda: bundle(PUBLISHER, tool_server()))
    engine: FakeEngine = field(default_factory=FakeEngine)
    tools: FakeTools = field(default_factory=FakeTools)
    revocations: FakeRevocations = field(default_factory=FakeRevocations)
    autonomy: FakeAutonomy = field(default_factory=FakeAutonomy)
    audit: FakeAudit = field(default_factory=FakeAudit)
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    secret: bytes | None = None
    """What pseudonyms derive from."""

    def __post_init__(self) -> None:
        self.quota = FakeQuota(self.revocations)
        self.restart()

    async def _deliver(self, events: Sequence[Event]) -> None:
        await self.audit.append(events)

    def restart(self) -> None:
        """A new process: all memory is lost, the log and the quotas are not."""
        bundles = BundleStore()
        bundles.put(self.bundle)
        self.registry = CollectorRegistry()
        instruments = Instruments(self.registry)
        self.outbox: Outbox[Event] = Outbox("audit events", self._deliver, instruments.outbox)
        take = TakeQuota(self.quota, instruments)
        counts = CountOutcome(self.autonomy)
        autonomy = AssessAutonomy(self.autonomy, counts)
        judge = JudgeAction(
            bundles, self.tools, self.engine, autonomy, self.revocations, self.clock, secret=self.secret
        )
        record = RecordAction(self.audit, self.clock)
        self.attempts = Attempts()
        self.enforce = EnforceAction(
            judge=judge,
            quota=self.quota,
            take=take,
            record=record,
            waiting=RecordWaiting(record),
            outcomes=RecordOutcome(record),
            call=CallTool(self.tools, self.revocations, self.clock),
            attempts=self.attempts,
            faults=RecordFault(self.audit, self.outbox, self.clock),
            counts=counts,
            instruments=instruments,
        )
        self.decide = DecideAction(
            bundles=bundles,
            engine=self.engine,
            judge=judge,
            revocations=self.revocations,
            quota=take,
            instruments=instruments,
        )
        decisions = RecordDecision(self.audit, self.clock)
        self.delegation = DecideDelegation(
            bundles,
            self.engine,
            self.revocations,
            decisions,
            RecordFault(self.audit, self.outbox, self.clock),
            instruments,
        )
        self.administration = DecideAdministration(bundles, self.engine, decisions, instruments)
        self.list_tools = ListTools(bundles, self.tools, self.revocations)

    def context(self, **changes: Any) -> ActionContext:
        values: dict[str, Any] = {
            "principal": Principal("developer", "http://issuer.test", "acme", ("developer",), client_id="portal"),
            "bundle": self.bundle.digest,
            "label": TRUSTED,
            "run_id": "run-1",
            "step": "publish",
            "turn": 1,
            "orchestration": "release-notes",
            "role": "publisher",
        }
        return ActionContext(**{**values, **changes})

    def command(
        self,
        tool: str = "git/commit",
        arguments: str = '{"message":"docs: notes"}',
        key: str = "run-1/publish/1/0",
        approval: ApprovalGrant | None = None,
        fencing_token: int = 0,
        **context: Any,
    ) -> EnforceCommand:
        return EnforceCommand(
            context=self.context(**context),
            action=ToolAction(tool, arguments),
            idempotency_key=key,
            fencing_token=fencing_token,
            approval=approval,
        )
