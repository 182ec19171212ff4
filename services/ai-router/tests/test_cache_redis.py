"""The caches on a real Valkey: shared by replicas, bounded, expiring, and no gate when it is gone, slow or emptied."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from amas_ai_router.adapters import redis_cache, redis_semantic_cache
from amas_ai_router.adapters.redis_cache import RedisCache
from amas_ai_router.adapters.redis_reach import RETRY_SECONDS, RedisReach, connect, tenant_prefix
from amas_ai_router.adapters.redis_semantic_cache import RedisSemanticCache
from amas_ai_router.domain.cache_keys import CacheKey
from amas_ai_router.domain.cached_answers import Lead
from amas_ai_router.domain.lexical_embedding import lexical_vector
from amas_ai_router.telemetry import RouterTelemetry
from amas_ai_router.usecases.answer_cache import AnswerCache
from amas_chassis.clock import Clock, ManualClock, SystemClock
from prometheus_client import CollectorRegistry

from .cache_fakes import MEMO, Model, admission, make_cache, route_with, said
from .fakes import DEVELOPER

pytestmark = pytest.mark.integration
ROUTE = route_with(MEMO)
KEY = CacheKey("acme", "d" * 64)
# Far above what a busy machine needs, so that only a Redis that is meant to be slow is.
PATIENT = 60.0
# A lease that no test sees the end of (seconds).
LONG = 3600.0


class Replicas:
    """Router processes over one Redis, as far as caches go."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.redis = connect(url, PATIENT)
        self.registry = CollectorRegistry()
        self._telemetry = RouterTelemetry(self.registry)
        self._stores: list[RedisCache | RedisSemanticCache] = []

    def reach(self, clock: Clock | None = None, timeout: float = PATIENT) -> RedisReach:
        return RedisReach(self._telemetry, clock or SystemClock(), timeout)

    def answers(self, reach: RedisReach | None = None) -> RedisCache:
        self._stores.append(store := RedisCache.connect(self.url, reach or self.reach()))
        return store

    def semantics(self) -> RedisSemanticCache:
        self._stores.append(store := RedisSemanticCache.connect(self.url, self.reach()))
        return store

    def cache(self) -> AnswerCache:
        return make_cache(self.answers())

    async def close(self) -> None:
        for store in self._stores:
            await store.close()
        await self.redis.aclose()


@pytest_asyncio.fixture
async def replicas(redis_url: str) -> AsyncIterator[Replicas]:
    """Replicas over an empty Redis."""
    replicas = Replicas(redis_url)
    yield replicas
    await replicas.close()


async def test_a_hundred_equal_calls_of_two_replicas_make_one(replicas: Replicas) -> None:
    """Over one Redis: one is asked, all get its answer, and the lease is gone."""
    caches, model = [replicas.cache(), replicas.cache()], Model(held=True)
    calls = [asyncio.create_task(model.through(cache, admission(ROUTE))) for _ in range(50) for cache in caches]
    await model.begun.wait()
    model.go.set()
    answers = await asyncio.gather(*calls)
    assert model.asked == 1
    assert {answer.body for answer in answers} == {said().body}
    assert [key for key in await replicas.redis.keys() if b":lease" in key] == []


async def test_a_replica_that_waits_is_woken(replicas: Replicas, monkeypatch: pytest.MonkeyPatch) -> None:
    """It hears of the end from Redis at once: with a wait of minutes it would be late otherwise."""
    monkeypatch.setattr(redis_cache, "WAIT_SECONDS", 100.0)
    one, other, model = replicas.cache(), replicas.cache(), Model(held=True)
    leader = asyncio.create_task(model.through(one, admission(ROUTE)))
    await model.begun.wait()
    follower = asyncio.create_task(model.through(other, admission(ROUTE)))
    await _blocked(replicas)
    model.go.set()
    async with asyncio.timeout(60):
        await asyncio.gather(leader, follower)
    assert model.asked == 1


async def test_a_replica_that_dies_is_followed(replicas: Replicas, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lease runs out by itself; the one that waited takes over."""
    dead = replicas.answers()
    model = Model()
    call = admission(ROUTE)
    key = make_cache(dead).keys.memo(call.context, call.operation, call.route, call.fields, stream=False)
    with monkeypatch.context() as brief:
        brief.setattr(redis_cache, "LEASE_SECONDS", 0.05)
        brief.setattr(redis_cache, "WAIT_SECONDS", 0.05)
        assert (await dead.begin(key, "dead")).lead is Lead.MINE
        await model.through(replicas.cache(), call)
    assert model.asked == 1
    monkeypatch.setattr(redis_cache, "LEASE_SECONDS", LONG)
    # The dead one wakes up: its lease is not its own any more, and it takes nobody else's.
    alive = replicas.answers()
    await alive.forget(key)
    assert (await alive.begin(key, "alive")).lead is Lead.MINE
    await dead.end(key, "dead", None, 0)
    assert (await alive.begin(key, "third")).leader == "alive"


async def test_a_lease_is_renewed_by_its_holder_alone(replicas: Replicas, monkeypatch: pytest.MonkeyPatch) -> None:
    """A late replica cannot prolong what it lost."""
    monkeypatch.setattr(redis_cache, "LEASE_SECONDS", LONG)
    store, half = replicas.answers(), int(LONG * 500)
    await store.begin(KEY, "mine")
    (lease,) = await replicas.redis.keys("*:lease")
    await replicas.redis.pexpire(lease, half)
    await store.renew(KEY, "other")
    assert 0 < await replicas.redis.pttl(lease) <= half
    await store.renew(KEY, "mine")
    assert await replicas.redis.pttl(lease) > half


async def test_answers_expire(replicas: Replicas) -> None:
    """Everything that is written has an end: a Redis that nobody calls empties itself."""
    store = replicas.answers()
    await store.end(KEY, "", b"value", LONG)
    await replicas.semantics().add(KEY, lexical_vector("a"), b"value", LONG)
    keys = await replicas.redis.keys()
    assert len(keys) >= 6
    for key in keys:
        assert 0 < await replicas.redis.pttl(key) <= LONG * 1000, key
    await store.end(KEY, "", b"value", 0.001)
    async with asyncio.timeout(PATIENT):
        while (await store.begin(KEY, "t")).value is not None:  # noqa: ASYNC110 - Redis sets no event
            await asyncio.sleep(0.001)


async def test_keys_of_a_tenant_share_a_slot_and_nothing_else(replicas: Replicas) -> None:
    """Each key carries its tenant as hash tag, whatever is in the name."""
    for tenant in ("acme", "{a}", "a}b", "acme:x"):
        call = admission(ROUTE, principal=replace(DEVELOPER, tenant=tenant))
        await Model().through(replicas.cache(), call)
        prefix = tenant_prefix(tenant)
        assert prefix.count("{") == prefix.count("}") == 1
        assert [key for key in await replicas.redis.keys() if key.startswith(prefix.encode())]
    tags = {key.split(b"{")[1].split(b"}")[0] for key in await replicas.redis.keys()}
    assert tags == {b"acme", b"%7Ba%7D", b"a%7Db", b"acme%3Ax"}


async def test_a_tenant_has_bounded_room(replicas: Replicas, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs out first makes room; another tenant's answers stay."""
    monkeypatch.setattr(redis_cache, "MAX_TENANT_BYTES", 1000)
    store, other = replicas.answers(), CacheKey("else", "e" * 64)
    await store.end(other, "", b"x", 60.0)
    keys = [CacheKey("acme", f"{number:064}") for number in range(8)]
    for number, key in enumerate(keys):
        await store.end(key, "", b"x" * 300, 60.0 + number)
    held = [(await store.begin(key, "t")).value is not None for key in keys]
    assert held == [False] * 5 + [True] * 3
    assert (await store.begin(other, "t")).value == b"x"
    index, sizes = redis_cache.bound_keys("acme")
    assert int(await replicas.redis.hget(sizes, "") or 0) == 900  # type: ignore[misc]
    assert await replicas.redis.zcard(index) == 3


@pytest.mark.parametrize("garbage", [b"", b"x", b"amas-answer-1\nnonsense"])
async def test_a_corrupted_value_is_a_miss(replicas: Replicas, garbage: bytes) -> None:
    """Never an error, and the next answer takes its place."""
    model = Model()
    await model.through(replicas.cache(), admission(ROUTE))
    (value,) = [key for key in await replicas.redis.keys("*:memo:*") if key.count(b":") == 5]
    await replicas.redis.set(value, garbage)
    await model.through(replicas.cache(), admission(ROUTE))
    await model.through(replicas.cache(), admission(ROUTE))
    assert model.asked == 2


async def test_a_value_of_another_key_is_a_miss(replicas: Replicas) -> None:
    """Somebody moves one tenant's answer under another's key: it does not open there."""
    model = Model()
    await model.through(replicas.cache(), admission(ROUTE), said("secret of acme"))
    other = admission(ROUTE, principal=replace(DEVELOPER, tenant="else"))
    await model.through(replicas.cache(), other, said("of else"))
    prefixes = [tenant_prefix(tenant).encode() for tenant in ("acme", "else")]
    values = [key for key in await replicas.redis.keys("*:memo:*") if key.count(b":") == 5]
    mine, theirs = (next(key for key in values if key.startswith(prefix)) for prefix in prefixes)
    await replicas.redis.copy(mine, theirs, replace=True)
    assert (await model.through(replicas.cache(), other, said("of else"))).body == said("of else").body
    assert model.asked == 3


async def test_an_emptied_redis_is_a_miss(replicas: Replicas) -> None:
    """Also for scripts, and for copies of vectors in the process."""
    model, cache, semantics = Model(), replicas.cache(), replicas.semantics()
    await model.through(cache, admission(ROUTE))
    await semantics.add(KEY, lexical_vector("where is it"), b"v", 60.0)
    assert await semantics.nearest(KEY, lexical_vector("where is it")) is not None
    await replicas.redis.flushall()
    await replicas.redis.script_flush()
    assert await semantics.nearest(KEY, lexical_vector("where is it")) is None
    await model.through(cache, admission(ROUTE))
    assert model.asked == 2
    await semantics.add(KEY, lexical_vector("where is it"), b"w", 60.0)
    found = await semantics.nearest(KEY, lexical_vector("where is it"))
    assert found is not None
    assert found.value == b"w"


async def test_calls_go_on_without_redis(replicas: Replicas, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing listens: no error, one line of log, a metric, and Redis is left alone for a while."""
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    reach = replicas.reach(clock)
    away = RedisCache(connect("redis://127.0.0.1:1/0"), connect("redis://127.0.0.1:1/0"), reach)
    model, cache = Model(), make_cache(away)
    for _ in range(3):
        await model.through(cache, admission(ROUTE))
    assert model.asked == 3
    ours = [record for record in caplog.records if record.name.startswith("amas_")]
    assert [record.message for record in ours] == ["Redis is away (ConnectionError): calls go on without caches"]
    assert (replicas.registry.get_sample_value("amas_router_cache_unavailable_total", {"part": "redis"}) or 0) >= 3
    # Redis is there again, but is asked only when the pause is over.
    back = RedisCache(replicas.redis, replicas.redis, reach)
    assert (await back.begin(KEY, "t")).lead is Lead.UNKNOWN
    clock.advance(RETRY_SECONDS)
    assert (await back.begin(KEY, "t")).lead is Lead.MINE
    await away.close()


async def test_a_frozen_redis_costs_one_time_out(replicas: Replicas, valkey: Any) -> None:
    """It accepts and never answers: the call waits once, briefly, and the next ones not at all."""
    reach = replicas.reach(ManualClock(datetime(2026, 1, 1, tzinfo=UTC)), timeout=0.05)
    store = replicas.answers(reach)
    asked, begin = 0, store._begin

    async def counted(**given: Any) -> Any:
        nonlocal asked
        asked += 1
        return await begin(**given)

    store._begin = counted
    frozen = int((await replicas.redis.info("server"))["process_id"])
    os.kill(frozen, signal.SIGSTOP)
    try:
        async with asyncio.timeout(PATIENT):
            for _ in range(100):
                assert (await store.begin(KEY, "t")).lead is Lead.UNKNOWN
        assert asked == 1
    finally:
        os.kill(frozen, signal.SIGCONT)


async def test_questions_are_shared_learnt_and_bounded(replicas: Replicas, monkeypatch: pytest.MonkeyPatch) -> None:
    """One replica adds and observes, another finds it; the oldest makes room; copies catch up in steps."""
    monkeypatch.setattr(redis_semantic_cache, "MAX_ENTRIES", 5)
    monkeypatch.setattr(redis_semantic_cache, "MAX_CATCH_UP", 2)
    one, other = replicas.semantics(), replicas.semantics()
    texts = [
        f"question about {topic}" for topic in ("apples", "rivers", "trains", "clouds", "violins", "zebras", "moss")
    ]
    for text in texts:
        await one.add(KEY, lexical_vector(text), text.encode(), 60.0)
    for _ in range(3):
        await other.nearest(KEY, lexical_vector(texts[-1]))
    found = await other.nearest(KEY, lexical_vector(texts[-1]))
    assert found is not None
    assert (found.value, found.similarity) == (texts[-1].encode(), pytest.approx(1.0, abs=1e-6))
    gone = await other.nearest(KEY, lexical_vector(texts[0]))
    assert gone is not None
    assert gone.value != texts[0].encode()
    await one.observe(KEY, found.entry_id, 97, right=True)
    await other.observe(KEY, found.entry_id, 97, right=True)
    await other.observe(KEY, found.entry_id, 80, right=False)
    await other.observe(KEY, "gone", 80, right=False)
    for _ in range(3):
        seen = await one.nearest(KEY, lexical_vector(texts[-1]))
    assert seen is not None
    assert (seen.seen.right, seen.seen.wrong) == ({97: 2}, {80: 1})
    assert await other.nearest(CacheKey("else", KEY.digest), lexical_vector(texts[-1])) is None
    assert len(await replicas.redis.keys("*:semantic:*:*")) == 5


async def test_garbage_among_the_questions_is_no_error(replicas: Replicas) -> None:
    """Vectors and counts that nobody of ours wrote are passed over."""
    store = replicas.semantics()
    await store.add(KEY, lexical_vector("a question"), b"v", 60.0)
    (entry,) = await replicas.redis.keys("*:semantic:*:*")
    await replicas.redis.hset(entry, mapping={"right:x": "1", "wrong:5": "many", "right:999": "1"})  # type: ignore[misc]
    found = await store.nearest(KEY, lexical_vector("a question"))
    assert found is not None
    assert found.seen.count == 0
    for garbage in (b"", b"abc", b"\xff\xff\xff\x7f" * 1024):
        await replicas.redis.hset(entry, "vector", garbage)  # type: ignore[misc]
        assert await replicas.semantics().nearest(KEY, lexical_vector("a question")) is None


async def _blocked(replicas: Replicas) -> None:
    while not int((await replicas.redis.info("clients"))["blocked_clients"]):  # noqa: ASYNC110 - Redis sets no event
        await asyncio.sleep(0)
