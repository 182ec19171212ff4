"""Kept answers to similar questions in Redis (port `SemanticStore`), with what was observed about each.

Vectors are copied into this process, so that a search is one matrix product here; a copy catches up before each search
by what is new since its last stamp. An entry that has gone is found out when its answer is fetched.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
from redis.asyncio import Redis

from amas_ai_router.domain.cache_keys import CacheKey
from amas_ai_router.domain.cached_answers import Neighbour
from amas_ai_router.domain.lexical_embedding import Vector
from amas_ai_router.domain.semantic_decision import STEPS, Observations
from amas_ai_router.domain.semantic_index import VectorIndex

from .redis_cache import MAX_TENANT_BYTES, MAX_TENANT_ENTRIES, bound_keys, script
from .redis_reach import RedisReach, connect, tenant_prefix

# Questions under one key; the oldest makes room.
MAX_ENTRIES = 2_000
# Vectors that one search catches up by; a copy that is further behind knows less until the next one.
MAX_CATCH_UP = 256
# Memory of all copies in this process (bytes), and keys with one; those unused for longest leave first.
MAX_COPY_BYTES = 64 * 1024 * 1024
MAX_COPIES = 1_024


class RedisSemanticCache:
    """Port `SemanticStore`."""

    def __init__(self, redis: Redis, reach: RedisReach) -> None:
        self._redis = redis
        self._reach = reach
        self._look: Any = redis.register_script(script("look"))
        self._add: Any = redis.register_script(script("add", bounded=True))
        self._observe: Any = redis.register_script(script("observe"))
        self._copies: OrderedDict[CacheKey, VectorIndex] = OrderedDict()

    @classmethod
    def connect(cls, url: str, reach: RedisReach) -> RedisSemanticCache:
        """A store with a client of its own."""
        return cls(connect(url, reach.timeout), reach)

    async def nearest(self, key: CacheKey, vector: Vector) -> Neighbour | None:
        """Port `SemanticStore`; None without Redis."""
        index = self._copies.get(key) or VectorIndex()

        async def look() -> list[Any]:
            found: list[Any] = await self._look(
                keys=[_questions(key)], args=[_entry(key, ""), index.last_stamp, MAX_CATCH_UP]
            )
            return found

        nothing: list[Any] = []
        found = await self._reach.ask(look, nothing)
        if not found:
            return None
        self._catch_up(key, index, found)
        nearest = index.nearest(vector)
        if nearest is None:
            return None
        entry_id, similarity = nearest

        async def fetch() -> dict[Any, Any]:
            # redis-py types both of its clients, and both forms of its answers, at once.
            return await self._redis.hgetall(_entry(key, entry_id))

        gone: dict[Any, Any] = {}
        fields = await self._reach.ask(fetch, gone)
        value = fields.get(b"value")
        return None if value is None else Neighbour(entry_id, similarity, _observations(fields), value)

    async def add(self, key: CacheKey, vector: Vector, value: bytes, ttl: float) -> None:
        """Port `SemanticStore`."""
        entry_id = uuid.uuid4().hex

        async def ask() -> None:
            held = [round(ttl * 1000), MAX_ENTRIES, MAX_TENANT_BYTES, MAX_TENANT_ENTRIES]
            await self._add(
                keys=[_questions(key), _entry(key, entry_id), *bound_keys(key.tenant)],
                args=[entry_id, vector.astype("<f4").tobytes(), value, *held, _entry(key, "")],
            )

        await self._reach.ask(ask, None)

    async def observe(self, key: CacheKey, entry_id: str, step: int, *, right: bool) -> None:
        """Port `SemanticStore`."""

        async def ask() -> None:
            await self._observe(keys=[_entry(key, entry_id)], args=[f"{'right' if right else 'wrong'}:{step}"])

        await self._reach.ask(ask, None)

    async def close(self) -> None:
        """Gives the connections up."""
        await self._redis.aclose()

    def _catch_up(self, key: CacheKey, index: VectorIndex, found: list[Any]) -> None:
        oldest, *rows = found
        if int(oldest) == 0:
            self._copies.pop(key, None)
            index.drop_before(index.last_stamp + 1)
            return
        index.drop_before(int(oldest))
        for entry_id, stamp, blob in zip(rows[0::3], rows[1::3], rows[2::3], strict=True):
            vector = np.frombuffer(blob, dtype="<f4") if len(blob) % 4 == 0 else np.zeros(0, dtype="<f4")
            if len(vector) and np.isfinite(vector).all():
                index.add(entry_id.decode(), int(stamp), vector)
        self._copies[key] = index
        self._copies.move_to_end(key)
        held = sum(copy.nbytes for copy in self._copies.values())
        while len(self._copies) > 1 and (held > MAX_COPY_BYTES or len(self._copies) > MAX_COPIES):
            _, gone = self._copies.popitem(last=False)
            held -= gone.nbytes


def _questions(key: CacheKey) -> str:
    return f"{tenant_prefix(key.tenant)}semantic:{key.digest}"


def _entry(key: CacheKey, entry_id: str) -> str:
    return f"{_questions(key)}:{entry_id}"


def _observations(fields: Mapping[bytes, bytes]) -> Observations:
    """What is counted in an entry; fields that are not as we wrote them count as nothing."""
    counted: dict[str, dict[int, int]] = {"right": {}, "wrong": {}}
    for name, number in fields.items():
        verdict, _, step = name.partition(b":")
        counts = counted.get(verdict.decode("ascii", "replace"))
        if counts is not None and step.isdigit() and number.isdigit() and int(step) <= STEPS:
            counts[int(step)] = int(number)
    return Observations(counted["right"], counted["wrong"])
