"""How caches speak to Redis: briefly, and never as a gate. A Redis that is away costs a call its cache, no more.

Every command has one time-out over connecting, waiting for a connection and the answer. After a failure Redis is left
alone for RETRY_SECONDS, so that a dead one does not cost each call that time-out. Nothing is raised.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import quote

from amas_chassis.clock import Clock
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from amas_ai_router.telemetry import RouterTelemetry

# Redis stands beside us: what takes longer is slower than is worth waiting for (seconds).
TIMEOUT_SECONDS = 0.1
RETRY_SECONDS = 1.0
# Commands at once; more wait for a place within their time-out.
MAX_CONNECTIONS = 32

_log = logging.getLogger(__name__)
T = TypeVar("T")


def connect(url: str, timeout: float = TIMEOUT_SECONDS) -> Redis:
    """A client that tries once. It must not be asked for more than MAX_CONNECTIONS commands at once."""
    return Redis.from_url(
        url,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        max_connections=MAX_CONNECTIONS,
        retry=Retry(NoBackoff(), 0),
    )


def tenant_prefix(tenant: str) -> str:
    """The start of all of a tenant's keys; the hash tag keeps them in one slot, whatever is in the tenant's name."""
    return f"amas:router:cache:{{{quote(tenant, safe='')}}}:"


class RedisReach:
    """Whether Redis can be reached now; shared by all caches of a process."""

    def __init__(self, telemetry: RouterTelemetry, clock: Clock, timeout: float = TIMEOUT_SECONDS) -> None:
        self.timeout = timeout
        self._telemetry = telemetry
        self._clock = clock
        self._room = asyncio.Semaphore(MAX_CONNECTIONS)
        self._away_until: float | None = None

    async def ask(self, command: Callable[[], Awaitable[T]], otherwise: T) -> T:
        """The command's answer, or `otherwise` while Redis cannot be reached."""
        if self._away_until is not None and self._clock.monotonic() < self._away_until:
            self._telemetry.cache_unavailable("redis")
            return otherwise
        try:
            async with asyncio.timeout(self.timeout), self._room:
                answer = await command()
        except (RedisError, OSError, TimeoutError) as error:
            self._went_away(error)
            return otherwise
        if self._away_until is not None:
            self._away_until = None
            _log.info("Redis is back: caches are used again")
        return answer

    def _went_away(self, error: Exception) -> None:
        self._telemetry.cache_unavailable("redis")
        if self._away_until is None:
            _log.warning("Redis is away (%s): calls go on without caches", type(error).__name__)
        self._away_until = self._clock.monotonic() + RETRY_SECONDS
