"""In-memory twins of the caches' ports, and calls on a route that asks for caches."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
from amas_ai_router.domain.cache_keys import CacheKey, CacheKeys
from amas_ai_router.domain.cached_answers import Begun, CachedAnswer, Embedding, Lead, Neighbour
from amas_ai_router.domain.lexical_embedding import Vector
from amas_ai_router.domain.model import CallContext, Decision, Operation, Route, Tokens, Usage
from amas_ai_router.domain.routing import compile_routing
from amas_ai_router.domain.semantic_decision import Observations
from amas_ai_router.ports import AnswerStore, Embedder, SemanticStore
from amas_ai_router.telemetry import RouterTelemetry
from amas_ai_router.usecases.admit_call import Admission
from amas_ai_router.usecases.answer_cache import AnswerCache
from amas_ai_router.usecases.semantic_lookup import SemanticLookup
from amas_ai_router.usecases.single_flight import SingleFlight
from amas_chassis.clock import SystemClock
from amas_governance.resources.model_route import RouteCache
from prometheus_client import CollectorRegistry

from .fakes import make_bundle, make_context

CHAT = Operation.CHAT
MEMO = {"memo": {"ttl": "1h"}}
SEMANTIC = {"semantic": {"ttl": "1h", "maxErrorRate": "5%"}}
USAGE = Usage(Tokens(10, 0, 5), Decimal("0.00002"), "USD")


class MemoryAnswers:
    """Port `AnswerStore` in dictionaries, without time: leases end when they are given up or `die` is called."""

    def __init__(self) -> None:
        self.values: dict[CacheKey, bytes] = {}
        self.leases: dict[CacheKey, str] = {}
        self.ended = asyncio.Condition()
        self.waiting = 0

    async def begin(self, key: CacheKey, token: str) -> Begun:
        value = self.values.get(key)
        if value is not None:
            return Begun(value, Lead.ANOTHERS)
        leader = self.leases.setdefault(key, token)
        return Begun(None, Lead.MINE if leader == token else Lead.ANOTHERS, leader)

    async def renew(self, key: CacheKey, token: str) -> None:
        assert self.leases.get(key) == token

    async def end(self, key: CacheKey, token: str, value: bytes | None, ttl: float) -> None:
        if value is not None:
            self.values[key] = value
        if self.leases.get(key) == token:
            del self.leases[key]
        await self._wake()

    async def wait(self, key: CacheKey) -> None:
        self.waiting += 1
        async with self.ended:
            await self.ended.wait()
        self.waiting -= 1

    async def forget(self, key: CacheKey) -> None:
        self.values.pop(key, None)

    async def die(self) -> None:
        """Whoever holds leases is gone, and they ran out."""
        self.leases.clear()
        await self._wake()

    async def _wake(self) -> None:
        async with self.ended:
            self.ended.notify_all()


class NoAnswers:
    """Port `AnswerStore` while Redis is away."""

    async def begin(self, key: CacheKey, token: str) -> Begun:
        return Begun(None, Lead.UNKNOWN)

    async def renew(self, key: CacheKey, token: str) -> None:
        """Does nothing."""

    async def end(self, key: CacheKey, token: str, value: bytes | None, ttl: float) -> None:
        """Does nothing."""

    async def wait(self, key: CacheKey) -> None:
        raise AssertionError("nobody can be waited for")

    async def forget(self, key: CacheKey) -> None:
        """Does nothing."""


class MemorySemantics:
    """Port `SemanticStore` in dictionaries."""

    def __init__(self) -> None:
        self.entries: dict[CacheKey, dict[str, tuple[Vector, bytes, dict[bool, dict[int, int]]]]] = {}
        self._numbers = itertools.count()

    async def nearest(self, key: CacheKey, vector: Vector) -> Neighbour | None:
        entries = self.entries.get(key)
        if not entries:
            return None
        entry_id, (other, value, seen) = max(entries.items(), key=lambda entry: float(entry[1][0] @ vector))
        return Neighbour(entry_id, float(other @ vector), Observations(seen[True], seen[False]), value)

    async def add(self, key: CacheKey, vector: Vector, value: bytes, ttl: float) -> None:
        entry: tuple[Vector, bytes, dict[bool, dict[int, int]]] = (vector, value, {True: {}, False: {}})
        self.entries.setdefault(key, {})[str(next(self._numbers))] = entry

    async def observe(self, key: CacheKey, entry_id: str, step: int, *, right: bool) -> None:
        counts = self.entries[key][entry_id][2][right]
        counts[step] = counts.get(step, 0) + 1


class TableEmbedder:
    """Port `Embedder`: vectors from a function; what was asked is kept."""

    def __init__(self, vector: Callable[[str], Vector]) -> None:
        self.asked: list[tuple[CallContext, str, str]] = []
        self.made_by = "p0/e"
        self.error: Exception | None = None
        self._vector = vector

    async def embed(self, context: CallContext, route: str, text: str) -> Embedding:
        self.asked.append((context, route, text))
        if self.error is not None:
            raise self.error
        return Embedding(self._vector(text), self.made_by)


def make_cache(
    answers: AnswerStore,
    semantics: SemanticStore | None = None,
    *,
    embedder: Embedder | None = None,
    draw: Callable[[], float] = lambda: 0.999999,
    registry: CollectorRegistry | None = None,
) -> AnswerCache:
    """The caches over a set of stores; unless told otherwise an answer is given as soon as tau is below 1."""
    keys, telemetry = CacheKeys(), RouterTelemetry(registry or CollectorRegistry())
    semantic = SemanticLookup(semantics or MemorySemantics(), embedder, keys, telemetry, draw)
    return AnswerCache(SingleFlight(answers, SystemClock()), semantic, keys)


def route_with(cache: dict[str, Any], **changes: Any) -> Route:
    """The route `default` with caches."""
    route = compile_routing(make_bundle(("http://one.test/v1",))).routes["default"]
    spec = route.spec.model_copy(update={"cache": RouteCache.model_validate(cache), **changes})
    return replace(route, spec=spec)


def admission(route: Route, text: str = "hello", *, operation: Operation = CHAT, **context: Any) -> Admission:
    """An admitted call that asks `text`."""
    fields: dict[str, Any] = {"model": "default", "messages": [{"role": "user", "content": text}]}
    if operation is Operation.EMBEDDINGS:
        fields = {"model": "default", "input": text}
    context_of = make_context(**{"bundle": "sha256:b", **context})
    decision = Decision("d", allowed=True)
    return Admission(
        context=context_of,
        operation=operation,
        route=route,
        role_version="",
        fields=fields,
        decision=decision,
        refusal=None,
        request_digest="",
    )


def with_fields(call: Admission, **fields: Any) -> Admission:
    """The same call with more in its body."""
    return replace(call, fields={**call.fields, **fields})


def said(text: str = "hi", *, finish: str = "stop", **more: Any) -> CachedAnswer:
    """A model's answer, as a caller hands it over."""
    message = {"role": "assistant", "content": text}
    body = orjson.dumps({"choices": [{"index": 0, "finish_reason": finish, "message": message}], **more})
    return CachedAnswer(body, USAGE, "p0", "m", "memo", finish)


def said_in_chunks(*texts: str) -> CachedAnswer:
    """The same, as a stream's chunks."""
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]} for text in texts
    ]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return CachedAnswer(b"\n".join(orjson.dumps(chunk) for chunk in chunks), USAGE, "p0", "m", "memo", "stop")


class Model:
    """Asked through a cache; holds its answers back until told."""

    def __init__(self, *, held: bool = False) -> None:
        self.asked = 0
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        if not held:
            self.go.set()

    async def through(
        self,
        cache: AnswerCache,
        call: Admission,
        answer: CachedAnswer | Exception | None = None,
        *,
        stream: bool = False,
    ) -> CachedAnswer:
        """One call: the hit, or the model's answer, which is kept."""
        async with cache.slot(call, stream=stream) as slot:
            if slot.hit is not None:
                return slot.hit
            self.asked += 1
            self.begun.set()
            await self.go.wait()
            if isinstance(answer, Exception):
                raise answer
            fresh = answer or (said_in_chunks("h", "i") if stream else said())
            await slot.keep(fresh)
            return fresh
