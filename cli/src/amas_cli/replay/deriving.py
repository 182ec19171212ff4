"""Decisions that a re-run asks for and whose input can be made anew: those about models and about sub-tasks.

The policy-sidecar's own use cases judge them from the bundle and the re-run's context, with nothing of the record but
what it is compared with afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from amas.policy.v1 import policy_pb2
from amas.router.v1 import router_pb2
from amas_chassis.clock import Clock
from amas_governance.bundle import Bundle
from amas_governance.canonical import canonical_json
from amas_policy_sidecar.adapters.bundle_store import BundleStore
from amas_policy_sidecar.adapters.wasm_engine import WasmEngine
from amas_policy_sidecar.domain.model import ActionContext, Decision, DelegateAction, Effect, Event, ModelAction
from amas_policy_sidecar.entrypoints.wire import read_context
from amas_policy_sidecar.ports import AppendAnswer
from amas_policy_sidecar.telemetry import Instruments
from amas_policy_sidecar.usecases.decide_action import DecideAction
from amas_policy_sidecar.usecases.decide_delegation import DecideDelegation
from amas_policy_sidecar.usecases.judge_action import JudgeAction
from amas_policy_sidecar.usecases.record_decision import RecordDecision
from amas_policy_sidecar.usecases.record_fault import RecordFault
from amas_policy_sidecar.usecases.take_quota import TakeQuota
from prometheus_client import CollectorRegistry

from .outcomes import Difference
from .stores import NothingRevoked


class Deriving:
    """The policy-sidecar's judgement, and what differed from the record."""

    def __init__(self, bundle: Bundle, engine: WasmEngine, clock: Clock) -> None:
        bundles, instruments, self._log = BundleStore(), Instruments(CollectorRegistry()), _Written()
        bundles.put(bundle)
        revocations = NothingRevoked()
        self._delegation = DecideDelegation(
            bundles,
            engine,
            revocations,
            RecordDecision(self._log, clock),
            RecordFault(self._log, self._log, clock),
            instruments,
        )
        # Only models are asked about by this one: it needs neither a judge of tool calls nor quotas.
        self._model = DecideAction(
            bundles=bundles,
            engine=engine,
            judge=cast("JudgeAction", None),
            revocations=revocations,
            quota=cast("TakeQuota", None),
            instruments=instruments,
        )
        self.models = 0
        self.differences: list[Difference] = []

    def note(self, difference: Difference) -> None:
        """Something came out otherwise than it was recorded."""
        self.differences.append(difference)

    async def model(self, context: router_pb2.CallContext, route: str) -> None:
        """Whether the call that was made would be allowed again. The router asks without run and step."""
        asked = policy_pb2.ActionContext(
            principal=context.principal,
            bundle=context.bundle,
            orchestration=context.orchestration,
            role=context.role,
            context_label=context.label,
        )
        decision = await self._model.model(read_context(asked), ModelAction(route))
        self.models += 1
        if decision.effect is not Effect.ALLOW:
            said = {"effect": decision.effect.value, "reasons": [reason.code for reason in decision.reasons]}
            self.note(Difference("decision", f"model {route} in {context.step}", {"effect": "allow"}, said))

    async def delegation(self, context: ActionContext, action: DelegateAction) -> tuple[Decision, Mapping[str, Any]]:
        """The decision about a sub-task, and what would be recorded of it."""
        decision = await self._delegation(context, action)
        return decision, self._log.last.data


def without_id(data: Mapping[str, Any]) -> bytes:
    """What is recorded of a decision, but for its id, which is made anew each time."""
    decision = {**data["decision"], "id": ""}
    # What is null may be left out of a record.
    return canonical_json({**data, "decision": decision, "input": data.get("input")})


class _Written:
    """AuditLog and EventOutbox of the sidecar's use cases: keeps the last event."""

    def __init__(self) -> None:
        self.last: Event

    async def append(self, events: Sequence[Event], *, fencing_token: int = 0) -> AppendAnswer:
        self.last = events[-1]
        return AppendAnswer(recorded=True, duplicate=False)

    def put(self, event: Event) -> bool:
        self.last = event
        return True

    async def find(self, tenant: str, ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        return {}
