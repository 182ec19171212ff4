"""In-memory twins of the router's ports, and the bundle and calls that tests use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import orjson
from amas_ai_router.bootstrap import Parts, wire
from amas_ai_router.domain.budgets import Amount, BudgetRule, BudgetState, Hold
from amas_ai_router.domain.cache_keys import CacheKey
from amas_ai_router.domain.cached_answers import Begun, Lead
from amas_ai_router.domain.errors import AttemptError, FailureReason, RejectedError, bundle_unknown, fenced, unavailable
from amas_ai_router.domain.model import (
    CallContext,
    Decision,
    ModelRequest,
    Operation,
    Principal,
    ProviderAnswer,
    Target,
)
from amas_ai_router.domain.records import AuditEvent, CallRecord, KeptAnswer, KeyScope
from amas_ai_router.domain.usage_query import UsageGroup, UsageQuery, UsageSum
from amas_ai_router.entrypoints.grpc_api import RouterUseCases
from amas_ai_router.telemetry import RouterTelemetry
from amas_chassis.errors import AmasError
from amas_governance.bundle import Bundle, PolicySet
from amas_governance.labels import Label
from amas_governance.resources import parse_manifest
from prometheus_client import CollectorRegistry

MESSAGES = [{"role": "user", "content": "hello"}]
BODY = orjson.dumps({"model": "default", "messages": MESSAGES})
DEVELOPER = Principal("developer", "https://issuer.test", "acme", ("developer",), ())


ANY_DATA = {"confidentiality": "restricted", "categories": ["pci", "phi", "pii", "secret"]}
"""Clearance of a route that may see everything."""


def make_bundle(
    base_urls: Sequence[str] = ("http://one.test/v1", "http://two.test/v1"),
    *,
    strategy: str = "priority",
    first_token: str = "2s",
    total: str = "5s",
    keys: Sequence[str] = (),
    model: str = "m",
    more: Sequence[dict[str, Any]] = (),
    **spec: Any,
) -> Bundle:
    """A bundle with the route `default` over one provider for each URL: p0/m, p1/m.

    `spec` is more of the route's, `more` further manifests without their apiVersion.

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
    timeout = {"firstToken": first_token, "total": total}
    targets = [{"provider": f"p{index}", "model": model, "timeout": timeout} for index in range(len(base_urls))]
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
        assert self.events.setdefault(event.id, event) == event, "the same id with other content"
        self.fences.append(fencing_token)

    def data(self, event_type: str) -> list[dict[str, Any]]:
        """The data of all events of a type, in order."""
        return [orjson.loads(event.data_json) for event in self.events.values() if event.type == event_type]


class MemoryBundles:
    """Bundle contents in a dictionary."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}

    async def content(self, digest: str) -> bytes | None:
        return self.contents.get(digest)

    async def put(self, digest: str, content: bytes) -> None:
        self.contents[digest] = content


class MemoryBudgets:
    """Counts holds and what became of each; refuses, or is away, when told so."""

    def __init__(self) -> None:
        self.held: list[Hold] = []
        self.settled: list[tuple[Hold, Amount]] = []
        self.released: list[Hold] = []
        self.refusal: AmasError | None = None
        self.in_time = True

    async def reserve(self, rules: Sequence[BudgetRule], context: CallContext, most: Amount) -> Hold:
        if self.refusal is not None:
            raise self.refusal
        hold = Hold(str(len(self.held)), context, tuple(rules), most, tuple("now" for _ in rules))
        self.held.append(hold)
        return hold

    async def settle(self, hold: Hold, spent: Amount) -> bool:
        self.settled.append((hold, spent))
        return self.in_time

    async def release(self, hold: Hold) -> None:
        self.released.append(hold)

    async def states(self, rules: Sequence[BudgetRule], tenant: str) -> Sequence[BudgetState]:
        return []


class NothingKept:
    """Ports `AnswerStore` and `SemanticStore` that keep nothing: every call asks a model."""

    async def begin(self, key: CacheKey, token: str) -> Begun:
        return Begun(None, Lead.MINE, token)

    async def renew(self, key: CacheKey, token: str) -> None: ...

    async def end(self, key: CacheKey, token: str, value: bytes | None, ttl: float) -> None: ...

    async def wait(self, key: CacheKey) -> None: ...

    async def forget(self, key: CacheKey) -> None: ...

    async def nearest(self, key: CacheKey, vector: Any) -> None: ...

    async def add(self, key: CacheKey, vector: Any, value: bytes, ttl: float) -> None: ...

    async def observe(self, key: CacheKey, entry_id: str, step: int, *, right: bool) -> None: ...


class MemoryLedger:
    """The ledger in lists, with the same promises as the real one."""

    def __init__(self) -> None:
        self.calls: list[CallRecord] = []
        self.kept: dict[KeyScope, KeptAnswer] = {}
        self.fence: dict[tuple[str, str], int] = {}
        self.away = False

    async def find_kept(self, scope: KeyScope, context: CallContext) -> KeptAnswer | None:
        self._here()
        if context.fencing_token < self.fence.get((scope.tenant, context.run_id), 0):
            raise fenced()
        return self.kept.get(scope)

    async def record(self, record: CallRecord, scope: KeyScope | None, kept: KeptAnswer | None) -> bool:
        self._here()
        context = record.context
        if context.fencing_token and context.run_id:
            place = (context.principal.tenant, context.run_id)
            if context.fencing_token < self.fence.get(place, 0):
                raise fenced()
            self.fence[place] = context.fencing_token
        if scope is not None and kept is not None:
            if scope in self.kept:
                return False
            self.kept[scope] = kept
        self.calls.append(record)
        return True

    async def sums(self, query: UsageQuery, after: UsageGroup | None, limit: int) -> Sequence[UsageSum]:
        self._here()
        sums: dict[UsageGroup, UsageSum] = {}
        for record in self.calls:
            context, report = record.context, record.report
            if context.principal.tenant != query.tenant or (query.run_id and context.run_id != query.run_id):
                continue
            if (query.since and record.time < query.since) or (query.until and record.time >= query.until):
                continue
            group = UsageGroup(
                context.run_id, context.role, record.route, report.provider, report.model, report.usage.currency
            )
            sums[group] = _added(sums.get(group), group, record)
        ordered = sorted(sums.values(), key=lambda row: _key(row.group))
        return [row for row in ordered if after is None or _key(row.group) > _key(after)][:limit]

    def outcomes(self) -> list[tuple[str, str]]:
        """Provider and outcome of each row, in order of both."""
        return sorted((record.report.provider, record.outcome) for record in self.calls)

    def _here(self) -> None:
        if self.away:
            raise unavailable("LEDGER_UNAVAILABLE", "away")


def _key(group: UsageGroup) -> tuple[str, ...]:
    return (group.run_id, group.role, group.route, group.provider, group.model, group.currency)


def _added(known: UsageSum | None, group: UsageGroup, record: CallRecord) -> UsageSum:
    usage = record.report.usage
    if known is None:
        return UsageSum(group, 1, usage)
    old, new = known.usage.tokens, usage.tokens
    tokens = replace(
        old,
        input=old.input + new.input,
        cached_input=old.cached_input + new.cached_input,
        output=old.output + new.output,
        estimated=old.estimated or new.estimated,
    )
    return UsageSum(group, known.calls + 1, replace(usage, tokens=tokens, cost=known.usage.cost + usage.cost))


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
        wired = wire(
            Parts(
                ledger=self.ledger,
                bundles=self.bundles,
                policy=self.policy,
                audit=self.audit,
                providers=self.providers,
                budgets=self.budgets,
                answers=self.answers,
                similar=self.similar,
                telemetry=RouterTelemetry(self.registry),
                max_response_bytes=self.max_response_bytes,
            )
        )
        self.do, self._drains = wired.use_cases, wired.drain

    async def drain(self) -> None:
        """Waits for what goes on in the background."""
        for drain in self._drains:
            await drain()

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
