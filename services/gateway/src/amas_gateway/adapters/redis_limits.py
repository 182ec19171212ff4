"""Rate limits in Redis, shared by all gateways: one script call a request, many to a round trip.

When Redis is away the limits go on in this process alone at the same rates (setting `local`), or every request is
refused (setting `refuse`). Either way it is logged once a change and counted. After a failure the pipeline leaves Redis
alone for a moment, so that requests do not each wait for a time-out.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from amas_chassis.clock import Clock
from amas_chassis.redis_pipeline import RedisAwayError, RedisPipeline, Script

from amas_gateway.domain import limits
from amas_gateway.domain.errors import limits_unavailable
from amas_gateway.domain.limits import Allowance, Taken
from amas_gateway.telemetry import Instruments

from .local_limits import LocalLimits

KEY_PREFIX = "amas:gateway:limits:"
SCRIPT = Path(__file__).with_name("gcra.lua")

_log = logging.getLogger(__name__)


class RedisLimits:
    """Port `RateLimiter`."""

    def __init__(
        self,
        redis: RedisPipeline,
        clock: Clock,
        instruments: Instruments,
        without_redis: Literal["local", "refuse"] = "local",
    ) -> None:
        self._redis = redis
        self._clock = clock
        self._instruments = instruments
        self._without_redis = without_redis
        self._script = Script.read(SCRIPT)
        self._local = LocalLimits(clock)
        self._away = False

    async def take(self, allowances: Sequence[Allowance]) -> Taken:
        keys = [KEY_PREFIX + allowance.key for allowance in allowances]
        numbers = [n for allowance in allowances for n in (allowance.rate.interval_us, allowance.rate.burst)]
        try:
            answer = await self._redis.call(self._script, keys, numbers)
        except RedisAwayError:
            self._went_away()
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

    def _went_away(self) -> None:
        if not self._away:
            self._away = True
            local = self._without_redis == "local"
            _log.error("limits %s", "hold for this process alone" if local else "refuse every request")
            self._instruments.limits_degraded.set(1)

    def _came_back(self) -> None:
        if self._away:
            self._away = False
            self._instruments.limits_degraded.set(0)
            _log.info("limits hold over all gateways again")
