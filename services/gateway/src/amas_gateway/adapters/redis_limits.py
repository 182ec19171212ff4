"""Rate limits in Redis, shared by all gateways: one script call a request.

When Redis is away the limits go on in this process alone at the same rates (setting `local`), or every request is
refused (setting `refuse`). Either way it is logged once a change and counted. After a failure Redis is left alone for
RETRY_SECONDS, so that requests do not each wait for a time-out.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from amas_chassis.clock import Clock
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from amas_gateway.domain import limits
from amas_gateway.domain.errors import limits_unavailable
from amas_gateway.domain.limits import Allowance, Taken
from amas_gateway.telemetry import Instruments

from .local_limits import LocalLimits

KEY_PREFIX = "amas:gateway:limits:"
# Redis stands beside us; what takes longer than this is away.
TIMEOUT_SECONDS = 0.25
RETRY_SECONDS = 1.0
MAX_CONNECTIONS = 64
SCRIPT = Path(__file__).with_name("gcra.lua")

_log = logging.getLogger(__name__)


def connect(dsn: str) -> Redis:
    """A client that gives up after one failure: the next request, not a retry, is the second try."""
    return Redis.from_url(
        dsn,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        max_connections=MAX_CONNECTIONS,
        retry=Retry(NoBackoff(), 0),
    )


class RedisLimits:
    """Port `RateLimiter`."""

    def __init__(
        self,
        redis: Redis,
        clock: Clock,
        instruments: Instruments,
        without_redis: Literal["local", "refuse"] = "local",
    ) -> None:
        self._redis = redis
        self._clock = clock
        self._instruments = instruments
        self._without_redis = without_redis
        self._script: Any = redis.register_script(SCRIPT.read_text())
        self._local = LocalLimits(clock)
        self._away_until: float | None = None

    async def take(self, allowances: Sequence[Allowance]) -> Taken:
        if self._away_until is not None and self._clock.monotonic() < self._away_until:
            return await self._without(allowances)
        try:
            answer = await self._script(
                keys=[KEY_PREFIX + allowance.key for allowance in allowances],
                args=[
                    number for allowance in allowances for number in (allowance.rate.interval_us, allowance.rate.burst)
                ],
            )
        except (RedisError, OSError, TimeoutError) as error:
            self._went_away(error)
            return await self._without(allowances)
        self._came_back()
        allowed, wait, now, *arrivals = (int(number) for number in answer)
        quotas = tuple(
            limits.quota(allowance, arrival, now) for allowance, arrival in zip(allowances, arrivals, strict=True)
        )
        return Taken(bool(allowed), quotas, wait / 1e6)

    async def _without(self, allowances: Sequence[Allowance]) -> Taken:
        self._instruments.limits_degraded_requests.inc()
        if self._without_redis == "refuse":
            raise limits_unavailable()
        return await self._local.take(allowances)

    def _went_away(self, error: Exception) -> None:
        if self._away_until is None:
            _log.error(
                "Redis is away (%s): limits %s",
                type(error).__name__,
                "hold for this process alone" if self._without_redis == "local" else "refuse every request",
            )
            self._instruments.limits_degraded.set(1)
        self._away_until = self._clock.monotonic() + RETRY_SECONDS

    def _came_back(self) -> None:
        if self._away_until is not None:
            self._away_until = None
            self._instruments.limits_degraded.set(0)
            _log.info("Redis is back: limits hold over all gateways again")
