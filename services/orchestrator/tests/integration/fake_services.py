"""Stand-ins for audit, policy-sidecar and ai-router over real gRPC with mutual TLS, with the memory of the real ones.

They keep what must hold between services: fencing tokens, idempotency keys, single use. What a model says and how long
a tool takes is up to each test.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from amas.audit.v1 import audit_pb2, audit_pb2_grpc
from amas.common.v1 import decision_pb2, label_pb2, usage_pb2
from amas.policy.v1 import policy_pb2, policy_pb2_grpc
from amas.router.v1 import router_pb2, router_pb2_grpc
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.actions import action_digest

from tests.audit_events import misfit

Brain = Callable[[list[dict[str, Any]]], Awaitable[dict[str, Any]] | dict[str, Any]]


def says(output: dict[str, Any]) -> dict[str, Any]:
    """A final answer."""
    return {"role": "assistant", "content": json.dumps(output)}


def calls(*functions: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """An answer that asks for calls."""
    made = [
        {"id": f"c{index}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for index, (name, arguments) in enumerate(functions)
    ]
    return {"role": "assistant", "content": None, "tool_calls": made}


def echo(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Answers with the topic of its input and an exclamation mark."""
    return says({"text": json.loads(messages[1]["content"])["topic"] + "!"})


@dataclass
class Fakes:
    """The three services and all that they saw."""

    brain: Brain = echo
    escalate_after: tuple[float, float] | None = None
    """Seconds after which writes remind, and after which auditors may answer too; None: neither."""
    events: list[audit_pb2.AuditEvent] = field(default_factory=list)
    fences: dict[str, int] = field(default_factory=dict)
    model_calls: list[str] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)
    """Idempotency keys of the effects that were really done, in order."""
    enforced: list[policy_pb2.EnforceRequest] = field(default_factory=list)
    answers: dict[str, bytes] = field(default_factory=dict)
    tool_delay: Callable[[policy_pb2.EnforceRequest], Awaitable[None]] | None = None
    revocations: policy_pb2.SyncRevocationsRequest | None = None
    """What the sidecars share."""
    trace_ids: set[str] = field(default_factory=set)
    bundles: dict[str, set[str]] = field(default_factory=lambda: {"policy": set(), "router": set()})

    def fence(self, run_id: str, token: int) -> None:
        """Refuses a token lower than the highest that was seen."""
        if token and token < self.fences.get(run_id, 0):
            raise AmasError(ErrorKind.FAILED_PRECONDITION, "FENCED", "another executor has the run")
        self.fences[run_id] = max(token, self.fences.get(run_id, 0))

    def know(self, service: str, bundle: str) -> None:
        """Asks for a bundle that was not loaded."""
        if bundle not in self.bundles[service]:
            raise AmasError(ErrorKind.FAILED_PRECONDITION, "BUNDLE_UNKNOWN", "load the bundle")

    def event_types(self, run_id: str) -> list[str]:
        """Types of the events of a run, in order."""
        return [event.type.removeprefix("dev.amas.") for event in self.events if event.run_id == run_id]


class FakeAudit(audit_pb2_grpc.AuditServiceServicer):
    """Appends to a list, once for each id."""

    def __init__(self, fakes: Fakes) -> None:
        self._fakes = fakes

    async def Append(self, request: audit_pb2.AppendRequest, context: Any) -> audit_pb2.AppendResponse:  # noqa: N802
        """Refuses late executors, and other content under a known id."""
        known = {event.id: event for event in self._fakes.events}
        for event in request.events:
            self._fakes.fence(event.run_id, request.fencing_token)
            assert misfit(event) is None
            if event.id in known and known[event.id] != event:
                raise AmasError(ErrorKind.ALREADY_EXISTS, "EVENT_EXISTS", f"{event.id} has other content")
        response = audit_pb2.AppendResponse()
        for event in request.events:
            response.events.add(id=event.id, duplicate=event.id in known)
            if event.id not in known:
                self._fakes.events.append(event)
        return response


class FakePolicy(policy_pb2_grpc.PolicyServiceServicer):
    """Allows reads, escalates writes, and does each effect once for each key."""

    def __init__(self, fakes: Fakes) -> None:
        self._fakes = fakes

    async def LoadBundle(self, request: Any, context: Any) -> policy_pb2.LoadBundleResponse:  # noqa: N802
        """Takes a bundle."""
        self._fakes.bundles["policy"].add(request.digest)
        return policy_pb2.LoadBundleResponse()

    async def GetRevocationsVersion(  # noqa: N802
        self, request: Any, context: Any
    ) -> policy_pb2.GetRevocationsVersionResponse:
        """The version that was handed over, or that it was lost."""
        if self._fakes.revocations is None:
            raise AmasError(ErrorKind.UNAVAILABLE, "REVOCATIONS_UNKNOWN", "lost")
        return policy_pb2.GetRevocationsVersionResponse(version=self._fakes.revocations.version)

    async def SyncRevocations(self, request: Any, context: Any) -> policy_pb2.SyncRevocationsResponse:  # noqa: N802
        """Takes a newer set."""
        held = self._fakes.revocations
        if held is None or request.version > held.version:
            self._fakes.revocations = request
        return policy_pb2.SyncRevocationsResponse(version=self._fakes.revocations.version)

    async def ListTools(self, request: Any, context: Any) -> policy_pb2.ListToolsResponse:  # noqa: N802
        """Two tools."""
        self._fakes.know("policy", request.context.bundle)
        schema = json.dumps({"type": "object", "properties": {"text": {"type": "string"}}})
        response = policy_pb2.ListToolsResponse()
        response.tools.add(name="notes/read", arguments_schema_json=schema, effect="read", idempotent=True)
        response.tools.add(name="notes/write", arguments_schema_json=schema, effect="write")
        return response

    async def InspectAnswers(self, request: Any, context: Any) -> policy_pb2.InspectAnswersResponse:  # noqa: N802
        """Shows everything as it is."""
        self._fakes.know("policy", request.context.bundle)
        response = policy_pb2.InspectAnswersResponse()
        for text in request.values_json:
            response.answers.add(shown_json=text)
        return response

    async def Decide(self, request: policy_pb2.DecideRequest, context: Any) -> policy_pb2.DecideResponse:  # noqa: N802
        """What Enforce would decide of a tool; the text `never` is denied. All else is allowed."""
        self._fakes.know("policy", request.context.bundle)
        if request.WhichOneof("action") != "tool":
            allowed = decision_pb2.Decision(id="d", effect=decision_pb2.EFFECT_ALLOW, bundle=request.context.bundle)
            return policy_pb2.DecideResponse(decision=allowed)
        arguments = json.loads(request.tool.arguments_json)
        decision = self._escalation(request.context, _digest(request.context, request.tool))
        if arguments.get("text") == "never":
            decision = decision_pb2.Decision(id="d", effect=decision_pb2.EFFECT_DENY)
            decision.reasons.add(code="ARGUMENTS_INVALID", message="never")
        return policy_pb2.DecideResponse(decision=decision)

    async def Enforce(self, request: policy_pb2.EnforceRequest, context: Any) -> policy_pb2.EnforceResponse:  # noqa: N802
        """Decides and does."""
        fakes, key, actor = self._fakes, request.idempotency_key, request.context
        fakes.know("policy", actor.bundle)
        fakes.fence(actor.run_id, request.fencing_token)
        fakes.enforced.append(request)
        digest = _digest(actor, request.action)
        decision = decision_pb2.Decision(
            id="d", effect=decision_pb2.EFFECT_ALLOW, bundle=actor.bundle, action_digest=digest
        )
        if request.action.tool == "notes/write" and not request.HasField("approval"):
            decision = self._escalation(actor, digest)
            return policy_pb2.EnforceResponse(decision=decision, outcome=policy_pb2.OUTCOME_NOT_CALLED)
        if fakes.tool_delay is not None:
            await fakes.tool_delay(request)
        fakes.fence(actor.run_id, request.fencing_token)
        replayed = key in fakes.effects
        if not replayed:
            fakes.effects.append(key)
        label = label_pb2.Label(
            confidentiality=label_pb2.CONFIDENTIALITY_INTERNAL, integrity=label_pb2.INTEGRITY_UNTRUSTED
        )
        return policy_pb2.EnforceResponse(
            decision=decision,
            outcome=policy_pb2.OUTCOME_SUCCEEDED,
            result_text=f"did {request.action.tool}",
            label=label,
            replayed=replayed,
            effect="write" if request.action.tool == "notes/write" else "read",
        )

    def _escalation(self, actor: policy_pb2.ActionContext, digest: str) -> decision_pb2.Decision:
        decision = decision_pb2.Decision(
            id="d", effect=decision_pb2.EFFECT_ESCALATE, bundle=actor.bundle, action_digest=digest
        )
        decision.reasons.add(code="APPROVAL_REQUIRED", message="a write needs a human")
        decision.approval.quorum, decision.approval.four_eyes = 1, True
        getattr(decision.approval, "from").append("release-managers")
        decision.approval.expires_in.FromSeconds(1800)
        if self._fakes.escalate_after is not None:
            remind, escalate = self._fakes.escalate_after
            decision.approval.remind_after.FromMilliseconds(round(remind * 1000))
            decision.approval.escalate.add(to=["auditors"]).after.FromMilliseconds(round(escalate * 1000))
        return decision


def _digest(actor: policy_pb2.ActionContext, action: policy_pb2.ToolAction) -> str:
    return action_digest(
        tenant=actor.principal.tenant,
        run_id=actor.run_id,
        step=actor.step,
        role=actor.role,
        tool=action.tool,
        arguments=json.loads(action.arguments_json),
    )


class FakeRouter(router_pb2_grpc.RouterServiceServicer):
    """Answers what the test's brain says, and the same again under the same key."""

    def __init__(self, fakes: Fakes) -> None:
        self._fakes = fakes

    async def LoadBundle(self, request: Any, context: Any) -> router_pb2.LoadBundleResponse:  # noqa: N802
        """Takes a bundle."""
        self._fakes.bundles["router"].add(request.digest)
        return router_pb2.LoadBundleResponse()

    async def Complete(self, request: router_pb2.CompleteRequest, context: Any) -> router_pb2.CompleteResponse:  # noqa: N802
        """One answer for each key."""
        fakes, key = self._fakes, request.context.idempotency_key
        fakes.know("router", request.context.bundle)
        fakes.fence(request.context.run_id, request.context.fencing_token)
        for name, value in context.invocation_metadata():
            if name == "traceparent":
                fakes.trace_ids.add(str(value).split("-")[1])
        if key not in fakes.answers:
            answer = fakes.brain(json.loads(request.body)["messages"])
            message = answer if isinstance(answer, dict) else await answer
            fakes.model_calls.append(key)
            reason = "tool_calls" if message.get("tool_calls") else "stop"
            fakes.answers[key] = json.dumps({"choices": [{"message": message, "finish_reason": reason}]}).encode()
        usage = usage_pb2.Usage(input_tokens=10, output_tokens=5, cost=usage_pb2.Money(amount="0.001", currency="USD"))
        report = router_pb2.CallReport(provider="scripted", model="scripted", usage=usage, attempts=1)
        return router_pb2.CompleteResponse(body=fakes.answers[key], report=report)


async def forever() -> None:
    """Never ends by itself."""
    await asyncio.Event().wait()
