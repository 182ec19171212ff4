"""In-memory twins of the ports. The world of a test is made of them; a crash is an exception in a durable step."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from amas_chassis.clock import ManualClock
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.actions import action_digest
from amas_governance.audit_events import misfit
from amas_governance.bundle import Bundle, PolicySet
from amas_governance.labels import Confidentiality, Integrity, Label
from amas_orchestrator.domain.conversation import ServerOffer, ToolInfo
from amas_orchestrator.domain.events import AuditRecord
from amas_orchestrator.domain.model import Json, Principal, Reason, Run, Usage
from amas_orchestrator.domain.requirement import Requirement
from amas_orchestrator.domain.signals import CancelSignal
from amas_orchestrator.ports import Actor, Body, Decision, Enforced, Grant, Inspected, ModelReply

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DEVELOPER = Principal("developer", "https://issuer", "acme", ("developer",), ())
MANAGER = Principal("release-manager", "https://issuer", "acme", ("approver",), ("release-managers",))
ADMIN = Principal("platform-admin", "https://issuer", "acme", ("platform-admin",), ())
ANY_OBJECT = {"type": "object", "properties": {"text": {"type": "string"}}}
UNTRUSTED = Label(Confidentiality.INTERNAL, frozenset(), Integrity.UNTRUSTED)

Say = Callable[[Actor, list[Json]], Json]


class Crashed(BaseException):
    """The process died here."""


class FakeModel:
    """ModelClient that says what a function says; the same again under the same key."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.calls: list[str] = []
        self.bodies: list[Json] = []
        self.answers: dict[str, bytes] = {}
        self.failures: list[AmasError] = []
        self.usage = Usage(10, 0, 5, Decimal("0.001"), "USD")

    async def complete(self, actor: Actor, route: str, body: bytes, key: str) -> ModelReply:
        if self.failures:
            raise self.failures.pop(0)
        request = json.loads(body)
        if key not in self.answers:
            self.calls.append(key)
            self.bodies.append(request)
            message = self.say(actor, request["messages"])
            reason = "tool_calls" if message.get("tool_calls") else "stop"
            response = {"choices": [{"message": message, "finish_reason": reason}]}
            self.answers[key] = json.dumps(response).encode()
        return ModelReply(self.answers[key], "scripted", "scripted", self.usage, 1, 7)


class FakeEnforcer:
    """Enforcer: reads are allowed, writes escalate until they come with a grant; each effect is done once a key."""

    def __init__(self) -> None:
        self.tools = [
            ToolInfo("notes/read", "Reads.", ANY_OBJECT, "read", True),
            ToolInfo("notes/write", "Writes.", ANY_OBJECT, "write", False),
        ]
        self.escalates = True
        self.edited_requirement: Requirement | None = None
        self.forbidden: set[str] = set()
        self.dry_runs: list[tuple[Actor, Json]] = []
        self.arguments: list[Json] = []
        self.requirement = Requirement(("release-managers",), 1, True, 1800.0)
        self.denies: set[str] = set()
        """Tools, `delegate/<role>` and verbs of administration that policy says no to."""
        self.administered: list[tuple[str, str, tuple[tuple[str, str], ...]]] = []
        """Bundle, verb and resources of each question about administration."""
        self.knows_administration = True
        self.unknown_once: set[str] = set()
        self.requests: list[tuple[Actor, str, str, Grant | None]] = []
        self.effects: list[str] = []
        self.failures: list[AmasError] = []
        self.inspected: list[list[str]] = []
        self.inspection_failures: list[AmasError] = []

    async def list_tools(self, actor: Actor) -> list[ToolInfo]:
        return self.tools

    async def decide(self, actor: Actor, tool: str, arguments: Json) -> Decision:
        if self.failures:
            raise self.failures.pop(0)
        self.dry_runs.append((actor, arguments))
        digest = digest_of(actor, tool, arguments)
        if arguments.get("text") in self.forbidden:
            return Decision("d", "deny", (Reason("ARGUMENTS_INVALID", "no"),), (), actor.bundle, digest)
        if not self.escalates:
            return Decision("d", "allow", (), (), actor.bundle, digest)
        reason = Reason("APPROVAL_REQUIRED", "a human must agree")
        return Decision(
            "d", "escalate", (reason,), (), actor.bundle, digest, self.edited_requirement or self.requirement
        )

    async def enforce(self, actor: Actor, tool: str, arguments: Json, key: str, grant: Grant | None = None) -> Enforced:
        if self.failures:
            raise self.failures.pop(0)
        self.requests.append((actor, tool, key, grant))
        digest = digest_of(actor, tool, arguments)
        self.arguments.append(arguments)

        def decide(effect: str, *reasons: Reason, requirement: Requirement | None = None) -> Decision:
            return Decision("d", effect, reasons, (), actor.bundle, digest, requirement)

        if tool in self.denies:
            return Enforced(decide("deny", Reason("POLICY_DENIED", "policy says no")), "not_called")
        if tool == "notes/write" and self.escalates and grant is None:
            reason = Reason("APPROVAL_REQUIRED", "a human must agree")
            return Enforced(decide("escalate", reason, requirement=self.requirement), "not_called")
        if tool in self.unknown_once:
            self.unknown_once.discard(tool)
            return Enforced(decide("allow"), "unknown")
        if key not in self.effects:
            self.effects.append(key)
        return Enforced(decide("allow"), "succeeded", f"did {tool}", UNTRUSTED, 3)

    async def may_delegate(self, actor: Actor, delegate: str, task: Json) -> Decision:
        if self.failures:
            raise self.failures.pop(0)
        denied = f"delegate/{delegate}" in self.denies
        reasons = (Reason("DELEGATION_NOT_GRANTED", "policy says no"),) if denied else ()
        return Decision("d", "deny" if denied else "allow", reasons, (), actor.bundle, "sha256:sub-task")

    async def may_administer(
        self, principal: Principal, bundle: Bundle, verb: str, resources: Sequence[tuple[str, str]]
    ) -> Decision:
        self.administered.append((bundle.digest, verb, tuple(resources)))
        reasons: tuple[Reason, ...] = ()
        if bundle.resources and not self.knows_administration:
            reasons = (Reason("ACTION_UNKNOWN", "no policy knows this kind of action"),)
        elif verb in self.denies:
            reasons = (Reason("ADMIN_ROLE_MISSING", "policy says no"),)
        return Decision("d", "deny" if reasons else "allow", reasons, (), bundle.digest, "sha256:act")

    async def inspect(self, run: Run, values_json: Sequence[str]) -> list[Inspected]:
        self.inspected.append(list(values_json))
        if self.inspection_failures:
            raise self.inspection_failures.pop(0)
        return [
            Inspected(text.replace("hidden", "[redacted]"), ("pii/email",) if "forbidden" in text else ())
            for text in values_json
        ]

    async def describe(self, bundle: str, server: str, tenant: str) -> ServerOffer:
        return ServerOffer(self.tools, "sha256:live", "sha256:accepted", '[{"name":"read"}]')


def digest_of(actor: Actor, tool: str, arguments: Json) -> str:
    """The digest of an action."""
    return action_digest(
        tenant=actor.principal.tenant,
        run_id=actor.run_id,
        step=actor.step,
        role=actor.role,
        tool=tool,
        arguments=arguments,
    )


class FakeAudit:
    """AuditLog on a list; refuses late tokens and other content under a known id."""

    def __init__(self) -> None:
        self.records: list[AuditRecord] = []
        self.highest = 0
        self.failures: list[AmasError] = []

    async def append(self, run: Run, records: Sequence[AuditRecord], fencing_token: int) -> None:
        if self.failures:
            raise self.failures.pop(0)
        if fencing_token and fencing_token < self.highest:
            raise AmasError(ErrorKind.FAILED_PRECONDITION, "FENCED", "another executor has the run")
        self.highest = max(self.highest, fencing_token)
        known = {record.id: record for record in self.records}
        for record in records:
            assert misfit(record.type, record.data) == ""
            assert known.get(record.id, record) == record, f"{record.id} was written with other content"
            if record.id not in known:
                self.records.append(record)

    async def append_for_tenant(self, principal: Principal, record: AuditRecord, bundle: str) -> None:
        if self.failures:
            raise self.failures.pop(0)
        assert misfit(record.type, record.data) == ""
        self.records.append(record)

    def types(self) -> list[str]:
        """Types in order, without their prefix."""
        return [record.type.removeprefix("dev.amas.") for record in self.records]


class FakeEngine:
    """Engine that notes what it is asked."""

    def __init__(self) -> None:
        self.enqueued: list[str] = []
        self.inbox: dict[tuple[str, str], Json] = {}
        self.resumed: list[str] = []
        self.left: dict[str, dict[str, list[str]]] = {}

    async def enqueue(self, run: Run) -> None:
        self.enqueued.append(run.id)

    async def send(self, workflow_id: str, topic: str, message: Json, key: str) -> None:
        self.inbox[workflow_id, topic] = message

    async def executors_at_work(self) -> set[str]:
        return set(self.left)

    async def stranded(self, executor_id: str) -> dict[str, list[str]]:
        return self.left.get(executor_id, {})

    async def resume(self, workflow_ids: Sequence[str]) -> None:
        self.resumed += workflow_ids


class FakeDurable:
    """Durable on a dict of checkpoints, which outlive a crash; `crash_in` names the step whose result is lost."""

    def __init__(self, world: Any, workflow_id: str, checkpoints: dict[str, Json] | None = None) -> None:
        self._world = world
        self._workflow_id = workflow_id
        self.checkpoints = {} if checkpoints is None else checkpoints
        self.ran: list[str] = []
        self.crash_in = ""
        self.humans: list[Callable[[str], Any]] = []

    @property
    def workflow_id(self) -> str:
        return self._workflow_id

    async def step(self, name: str, body: Body) -> Json:
        if name not in self.checkpoints:
            result = json.loads(json.dumps(await body()))
            self.ran.append(name)
            if name == self.crash_in:
                raise Crashed(name)
            self.checkpoints[name] = result
        return self.checkpoints[name]

    async def receive(self, topic: str, timeout_seconds: float) -> Json | None:
        name = f"receive/{topic}/{sum(key.startswith(f'receive/{topic}/') for key in self.ran)}"
        self.ran.append(name)
        if self.humans:
            answered = self.humans.pop(0)(topic)
            if asyncio.iscoroutine(answered):
                await answered
            return {}
        self._world.clock.advance(timeout_seconds)
        return None

    async def spawn(self, path: str, arguments: Json) -> Json:
        child = FakeDurable(self._world, f"{self._workflow_id}/{path}")
        child.humans = self.humans
        if path not in self.checkpoints:
            self.checkpoints[path] = await self._world.orchestrations.run_spawned(
                json.loads(json.dumps(arguments)), child
            )
        return self.checkpoints[path]


class FakeCancellations:
    """Cancellations with one signal for all."""

    def __init__(self) -> None:
        self.signal = CancelSignal()

    def watch(self, run_id: str) -> AbstractContextManager[CancelSignal]:
        return nullcontext(self.signal)


class FakeMetrics:
    """Metrics that count what was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def run_ended(self, state: str, seconds: float, usage: Mapping[str, Any]) -> None:
        self.told.append(("run_ended", state))

    def step_ended(self, state: str) -> None:
        self.told.append(("step_ended", state))

    def model_called(self, usage: Mapping[str, Any]) -> None:
        self.told.append(("model_called", ""))

    def tool_called(self, effect: str) -> None:
        self.told.append(("tool_called", effect))

    def webhook_sent(self, outcome: str) -> None:
        self.told.append(("webhook_sent", outcome))

    def waited_for(self, dependency: str) -> None:
        self.told.append(("waited_for", dependency))

    def taken_over(self) -> None:
        self.told.append(("taken_over", ""))


def policies() -> PolicySet:
    """The smallest set of policies."""
    return PolicySet({"p.rego": "package p"}, b"wasm")


def clock() -> ManualClock:
    """A clock at the start of all tests."""
    return ManualClock(START)
