"""In-memory twins of the router's ports, and the bundle and calls that tests use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import orjson
from amas_ai_router.bootstrap import Parts, wire
from amas_ai_router.domain.errors import AttemptError, FailureReason, RejectedError, bundle_unknown, unavailable
from amas_ai_router.domain.model import (
    CallContext,
    Decision,
    ModelRequest,
    Operation,
    Principal,
    ProviderAnswer,
    Target,
)
from amas_ai_router.domain.records import AuditEvent
from amas_ai_router.entrypoints.grpc_api import RouterUseCases
from amas_ai_router.telemetry import RouterTelemetry
from amas_chassis.outbox import Outbox
from amas_governance.audit_events import misfit
from amas_governance.bundle import Bundle, PolicySet
from amas_governance.labels import Label
from amas_governance.resources import parse_manifest
from prometheus_client import CollectorRegistry

from .memory_stores import MemoryBudgets, MemoryBundles, MemoryLedger, NothingKept

MESSAGES = [{"role": "user", "content": "hello"}]
BODY = orjson.dumps({"model": "default", "messages": MESSAGES})
DEVELOPER = Principal("developer", "https://issuer.test", "acme", ("developer",), ())


ANY_DATA = {"confidentiality": "restricted", "categories": ["pci", "phi", "pii", "secret"]}
"""Clearance of a route that may see everything."""


def make_bundle(
    base_urls: Sequence[str] = ("http://one.test/v1", "http://two.test/v1"),
    *,
    strategy: str = "priority",
    first_token: str = "60s",
    total: str = "60s",
    hurried: Sequence[int] = (),
    keys: Sequence[str] = (),
    model: str = "m",
    more: Sequence[dict[str, Any]] = (),
    **spec: Any,
) -> Bundle:
    """A bundle with the route `default` over one provider for each URL: p0/m, p1/m.

    `spec` is more of the route's, `more` further manifests without their apiVersion. The targets that are `hurried` (by
    their place) are not waited for long; the others have all the time that a busy machine may take.

    Without `retry` no target is asked twice, so that no test waits for a retry that it does not ask for.
    """
    prices = [{"from": "2020-01-01", "inputPerMillion": "1", "outputPerMillion": "2", "currency": "USD"}]
    head: dict[str, Any] = {"apiVersion": "amas.dev/v1alpha1"}
    providers = [
        {
            **head,
            "kind": "ModelProvider",
            "metadata": {"name": f"p{index}"},
            "spec": {
                "api": "openai",
                "baseUrl": url,
                "keys": [{"file": key} for key in keys],
                "models": {model: {"prices": prices}},
            },
        }
        for index, url in enumerate(base_urls)
    ]
    patient, short = {"firstToken": first_token, "total": total}, {"firstToken": "500ms", "total": "500ms"}
    targets = [
        {"provider": f"p{index}", "model": model, "timeout": short if index in hurried else patient}
        for index in range(len(base_urls))
    ]
    route = {
        **head,
        "kind": "ModelRoute",
        "metadata": {"name": "default"},
        "spec": {"targets": targets, "strategy": strategy, "retry": {"attempts": 1}, **spec},
    }
    return Bundle.build(
        [parse_manifest(manifest) for manifest in (*providers, route, *({**head, **manifest} for manifest in more))],
        PolicySet(),
    )


def make_context(bundle: str, **changes: Any) -> CallContext:
    """A developer's call."""
    return replace(CallContext(DEVELOPER, bundle, Label.LOWEST), **changes)


def answer(text: str = "hi", *, usage: bool = True) -> ProviderAnswer:
    """A completion; 10 tokens in, 5 out."""
    fields: dict[str, Any] = {
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}]
    }
    if usage:
        fields["usage"] = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return ProviderAnswer(orjson.dumps(fields), fields)


def chunk(text: str | None = None, *, finish: str | None = None, **more: Any) -> bytes:
    """One streamed chunk."""
    delta = {"role": "assistant"} if text is None else {"content": text}
    return orjson.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more})


USAGE_CHUNK = orjson.dumps({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}})
Step = ProviderAnswer | Exception | Callable[[], Any]


class FakeStream:
    """Gives what it was given: bytes, an exception to raise, or a coroutine function to wait for."""

    def __init__(self, steps: Sequence[Any]) -> None:
        self._steps = list(steps)
        self.ended = asyncio.Event()

    async def next(self) -> bytes | None:
        while self._steps:
            step = self._steps.pop(0)
            if isinstance(step, Exception):
                raise step
            if callable(step):
                await step()
                continue
            return bytes(step)
        return None

    async def close(self) -> None:
        self.ended.set()

    @property
    def closed(self) -> bool:
        """Whether the router gave it up."""
        return self.ended.is_set()


class FakeProviders:
    """Each target has a script; what was asked is kept."""

    def __init__(self) -> None:
        self.script: dict[str, list[Any]] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def will(self, target: str, *steps: Any) -> None:
        self.script[target] = list(steps)

    async def ask(self, target: Target, operation: Operation, fields: dict[str, Any]) -> ProviderAnswer:
        result = await self._next(target, fields)
        assert isinstance(result, ProviderAnswer)
        return result

    async def open_stream(self, target: Target, fields: dict[str, Any]) -> FakeStream:
        result = await self._next(target, fields)
        assert isinstance(result, FakeStream)
        return result

    async def _next(self, target: Target, fields: dict[str, Any]) -> Any:
        self.asked.append((target.name, fields))
        steps = self.script.get(target.name) or [answer()]
        step = steps.pop(0) if len(steps) > 1 else steps[0]
        if isinstance(step, Exception):
            raise step
        return await step() if callable(step) else step


class FakePolicy:
    """Allows, unless told otherwise; knows only the bundles that it was given when `strict`."""

    def __init__(self) -> None:
        self.decision = Decision("d1", allowed=True)
        self.away = False
        self.strict = False
        self.loaded: list[str] = []
        self.asked: list[CallContext] = []
        self.version = 1
        self.looks = 0

    async def revocations_version(self) -> int:
        self.looks += 1
        if self.away:
            raise unavailable("POLICY_UNAVAILABLE", "away")
        return self.version

    async def decide(self, context: CallContext, route: str) -> Decision:
        self.asked.append(context)
        if self.away:
            raise unavailable("POLICY_UNAVAILABLE", "away")
        if self.strict and context.bundle not in self.loaded:
            raise bundle_unknown(context.bundle)
        return self.decision

    async def load_bundle(self, digest: str, content: bytes) -> None:
        self.loaded.append(digest)


class FakeAudit:
    """Keeps events by id, as the real one does: the same id with other content is refused."""

    def __init__(self) -> None:
        self.events: dict[str, AuditEvent] = {}
        self.fences: list[int] = []
        self.away = False

    async def append(self, event: AuditEvent, fencing_token: int = 0) -> None:
        if self.away:
            raise unavailable("AUDIT_UNAVAILABLE", "away")
        assert misfit(event.type, orjson.loads(event.data_json)) == ""
        assert self.events.setdefault(event.id, event) == event, "the same id with other content"
        self.fences.append(fencing_token)

    def data(self, event_type: str) -> list[dict[str, Any]]:
        """The data of all events of a type, in order."""
        return [orjson.loads(event.data_json) for event in self.events.values() if event.type == event_type]


class ListSink:
    """Keeps the chunks; may call something before each."""

    def __init__(self, before: Callable[[], Any] | None = None) -> None:
        self.chunks: list[bytes] = []
        self._before = before

    async def chunk(self, data: bytes) -> None:
        if self._before is not None:
            await self._before()
        self.chunks.append(data)

    @property
    def text(self) -> str:
        """The text that the chunks carry."""
        deltas = [choice["delta"] for data in self.chunks for choice in orjson.loads(data)["choices"]]
        return "".join(delta.get("content") or "" for delta in deltas)


@dataclass
class Router:
    """The whole service over fakes, with the bundle loaded."""

    bundle: Bundle = field(default_factory=make_bundle)
    ledger: Any = field(default_factory=MemoryLedger)
    bundles: Any = field(default_factory=MemoryBundles)
    policy: FakePolicy = field(default_factory=FakePolicy)
    audit: FakeAudit = field(default_factory=FakeAudit)
    providers: Any = field(default_factory=FakeProviders)
    budgets: Any = field(default_factory=MemoryBudgets)
    answers: Any = field(default_factory=NothingKept)
    similar: Any = field(default_factory=NothingKept)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    max_response_bytes: int = 64 * 1024

    def __post_init__(self) -> None:
        self.do: RouterUseCases
        telemetry = RouterTelemetry(self.registry)
        self.outbox: Outbox[Any] = Outbox("audit events", self._deliver, telemetry.outbox)
        wired = wire(
            Parts(
                ledger=self.ledger,
                bundles=self.bundles,
                policy=self.policy,
                audit=self.audit,
                outbox=self.outbox,
                providers=self.providers,
                budgets=self.budgets,
                answers=self.answers,
                similar=self.similar,
                telemetry=telemetry,
                max_response_bytes=self.max_response_bytes,
            )
        )
        self.do, self._drains = wired.use_cases, wired.drain

    async def drain(self) -> None:
        """Waits for what goes on in the background."""
        for drain in self._drains:
            await drain()
        await self.outbox.close(10)

    async def _deliver(self, events: Sequence[Any]) -> None:
        for event in events:
            await self.audit.append(event)

    async def load(self) -> Router:
        """Loads the bundle."""
        await self.do.load_bundle.run(self.bundle.digest, self.bundle.content)
        return self

    def request(self, body: bytes = BODY, route: str = "default", **context: Any) -> ModelRequest:
        """A request of the developer."""
        return ModelRequest(make_context(self.bundle.digest, **context), route, body)

    @property
    def asked(self) -> list[str]:
        """Targets that were asked, in order."""
        return [name for name, _ in self.providers.asked]


def lost() -> AttemptError:
    """A connection that broke."""
    return AttemptError(FailureReason.CONNECTION_LOST, "test")


def refused(status: int = 400) -> RejectedError:
    """A provider's own refusal."""
    return RejectedError(status, '{"message":"bad"}')


ONE_CALL_COST = Decimal("0.00002")
"""Cost of `answer()`: 10 tokens at 1 and 5 at 2 a million."""
