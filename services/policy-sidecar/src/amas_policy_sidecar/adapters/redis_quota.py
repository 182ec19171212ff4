"""Quotas in Redis, counted by one script so that replicas cannot race each other past a bound.

Calls are sets of idempotency keys (a retry adds nothing), rates are GCRA on the store's clock, places of the
concurrency bound are leases that end by themselves. Keys are apart by tenant. The same script asks whether something
that the call needs is revoked, so that nothing lies between that and the claim. It must never answer while the store
does not.
"""

from __future__ import annotations

import math
from pathlib import Path

from amas_governance.canonical import digest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from amas_policy_sidecar.domain.errors import revocations_unknown, unavailable
from amas_policy_sidecar.domain.quota import QuotaAnswer, QuotaClaim, QuotaVerdict

from .redis_revocations import KEY as REVOCATIONS

# Seconds that the calls of a run are remembered after its last one: longer than a run may wait for people.
CALLS_TTL = 90 * 24 * 3600
# Seconds that the store may take; a decision waits for it.
TIMEOUT = 2.0
_UNKNOWN = b"revocations_unknown"

_SCRIPT = (Path(__file__).parent / "quota_claim.lua").read_text()


class RedisQuota:
    """The quota port on Redis or Valkey."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._script = redis.register_script(_SCRIPT)

    @classmethod
    def connect(cls, dsn: str) -> RedisQuota:
        """A client for `dsn`; it connects when it is first asked."""
        return cls(Redis.from_url(dsn, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT))

    @property
    def redis(self) -> Redis:
        """The client, for what else stands in the same store."""
        return self._redis

    async def peek(self, claim: QuotaClaim) -> QuotaVerdict:
        """What `take` would say, without taking."""
        return await self._run(claim, dry=True)

    async def take(self, claim: QuotaClaim) -> QuotaVerdict:
        """Count the call, all of its bounds at once or none."""
        return await self._run(claim, dry=False)

    async def give_back(self, claim: QuotaClaim) -> None:
        """End the call's place; if the store is away, its lease ends it."""
        try:
            await self._redis.zrem(_places_key(claim), claim.key)
        except (RedisError, OSError):
            return

    async def check(self) -> None:
        """Raise AmasError if the store does not answer."""
        try:
            await self._redis.ping()
        except (RedisError, OSError) as error:
            raise unavailable("QUOTA_UNAVAILABLE", "the quota store does not answer") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _run(self, claim: QuotaClaim, *, dry: bool) -> QuotaVerdict:
        interval = 0.0 if claim.rate_count is None else claim.rate_per / claim.rate_count * 1e6
        calls = [_calls_key(claim, limit.role) for limit in claim.call_limits]
        keys = [REVOCATIONS, _rate_key(claim), _places_key(claim), *calls]
        needs = (*claim.needs, *claim.approvers)
        arguments: list[str | int] = [
            claim.key,
            int(dry),
            math.ceil(interval),
            claim.rate_count or 0,
            claim.concurrency,
            math.ceil(claim.lease * 1e6),
            CALLS_TTL,
            len(needs),
            *(one.key for one in needs),
            *(-1 if limit.calls is None else limit.calls for limit in claim.call_limits),
        ]
        try:
            code, wait, place = await self._script(keys=keys, args=arguments)
            if code == _UNKNOWN:
                raise revocations_unknown()
            answer = QuotaAnswer(code.decode())
        except (RedisError, OSError, ValueError, TypeError, AttributeError) as error:
            raise unavailable(
                "QUOTA_UNAVAILABLE", "the quota store does not answer: nothing is done without it", retry_after=1.0
            ) from error
        revoked = needs[int(place)] if answer is QuotaAnswer.REVOKED else None
        return QuotaVerdict(answer, retry_after=int(wait) / 1e6, revoked=revoked)


def _rate_key(claim: QuotaClaim) -> str:
    return f"amas:quota:{{{claim.tenant}}}:rate:{claim.server}"


def _places_key(claim: QuotaClaim) -> str:
    return f"amas:quota:{{{claim.tenant}}}:places:{claim.server}"


def _calls_key(claim: QuotaClaim, role: str) -> str:
    # A digest, since ids come from callers and must not be able to form another key. The tenant's pattern has no brace.
    return f"amas:quota:{{{claim.tenant}}}:calls:{digest([claim.run_id, role, claim.tool])}"
