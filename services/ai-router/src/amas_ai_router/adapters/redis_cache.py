"""Kept answers and leases in Redis (port `AnswerStore`), shared by all routers.

Waiting takes a connection each, from a client of its own with a bound; whoever finds none free looks again a little
later. Values are opaque here: what is not as it was written is found out where it is opened.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from amas_ai_router.domain.cache_keys import CacheKey
from amas_ai_router.domain.cached_answers import Begun, Lead

from .redis_reach import MAX_CONNECTIONS, RedisReach, connect, tenant_prefix

# How long a router may be silent before another one takes its call over (seconds); it renews every 2.
LEASE_SECONDS = 6.0
# One wait on the stream, after which the lease is looked at again (seconds).
WAIT_SECONDS = 1.0
# Between two looks where no connection is free to wait on (seconds).
LOOK_AGAIN_SECONDS = 0.05
# Bounds on all that one tenant's caches hold.
MAX_TENANT_BYTES = 64 * 1024 * 1024
MAX_TENANT_ENTRIES = 20_000

_UNKNOWN = Begun(None, Lead.UNKNOWN)


def script(name: str, *, bounded: bool = False) -> str:
    """Text of a script beside this file, with the tenant's bounds in front if it keeps something."""
    folder = Path(__file__).parent
    text = (folder / f"cache_{name}.lua").read_text()
    return (folder / "cache_bounds.lua").read_text() + text if bounded else text


def bound_keys(tenant: str) -> tuple[str, str]:
    """Keys of a tenant's index and sizes."""
    prefix = tenant_prefix(tenant)
    return f"{prefix}index", f"{prefix}sizes"


class RedisCache:
    """Port `AnswerStore`."""

    def __init__(self, redis: Redis, waiting: Redis, reach: RedisReach) -> None:
        self._redis = redis
        self._waiting = waiting
        self._reach = reach
        self._begin: Any = redis.register_script(script("begin"))
        self._end: Any = redis.register_script(script("end", bounded=True))
        self._renew: Any = redis.register_script(script("renew"))
        self._waits = asyncio.Semaphore(MAX_CONNECTIONS)

    @classmethod
    def connect(cls, url: str, reach: RedisReach) -> RedisCache:
        """A store with clients of its own."""
        return cls(connect(url, reach.timeout), connect(url, WAIT_SECONDS + 1.0), reach)

    async def begin(self, key: CacheKey, token: str) -> Begun:
        """Port `AnswerStore`; UNKNOWN without Redis."""

        async def ask() -> Begun:
            value, leader = await self._begin(keys=_keys(key), args=[token, round(LEASE_SECONDS * 1000)])
            name = "" if leader is None else leader.decode()
            return Begun(value, Lead.MINE if value is None and name == token else Lead.ANOTHERS, name)

        return await self._reach.ask(ask, _UNKNOWN)

    async def renew(self, key: CacheKey, token: str) -> None:
        """Port `AnswerStore`."""

        async def ask() -> None:
            await self._renew(keys=_keys(key)[1:2], args=[token, round(LEASE_SECONDS * 1000)])

        await self._reach.ask(ask, None)

    async def end(self, key: CacheKey, token: str, value: bytes | None, ttl: float) -> None:
        """Port `AnswerStore`."""
        bounds = [MAX_TENANT_BYTES, MAX_TENANT_ENTRIES, round(LEASE_SECONDS * 1000)]

        async def ask() -> None:
            keys = [*_keys(key), *bound_keys(key.tenant)]
            await self._end(keys=keys, args=[token, value or b"", max(1, round(ttl * 1000)), *bounds])

        await self._reach.ask(ask, None)

    async def wait(self, key: CacheKey) -> None:
        """Port `AnswerStore`; at most WAIT_SECONDS and a little."""
        if self._waits.locked():
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            return
        async with self._waits:
            try:
                await self._waiting.xread({_keys(key)[2]: "0-0"}, count=1, block=round(WAIT_SECONDS * 1000))
            except (RedisError, OSError):
                # The next `begin` finds out whether Redis is away.
                await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def forget(self, key: CacheKey) -> None:
        """Port `AnswerStore`."""

        async def ask() -> None:
            await self._redis.unlink(_keys(key)[0])

        await self._reach.ask(ask, None)

    async def close(self) -> None:
        """Gives the connections up."""
        await self._redis.aclose()
        await self._waiting.aclose()


def _keys(key: CacheKey) -> list[str]:
    start = f"{tenant_prefix(key.tenant)}memo:{key.digest}"
    return [start, f"{start}:lease", f"{start}:end"]
