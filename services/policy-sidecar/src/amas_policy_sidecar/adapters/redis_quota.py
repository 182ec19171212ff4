"""Quotas in Redis, counted by one script so that replicas cannot race each other past a bound.

Calls are sets of idempotency keys (a retry adds nothing), rates are GCRA on the store's clock, places of the
concurrency bound are leases that end by themselves. Keys are apart by tenant. It must never answer while the store
does not.
"""

from __future__ import annotations

import math

from amas_governance.canonical import digest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from amas_policy_sidecar.domain.errors import unavailable
from amas_policy_sidecar.domain.quota import QuotaAnswer, QuotaClaim, QuotaVerdict

# Seconds that the calls of a run are remembered after its last one: longer than a run may wait for people.
CALLS_TTL = 90 * 24 * 3600
# Seconds that the store may take; a decision waits for it.
TIMEOUT = 2.0

# KEYS: rate, places, then one set of calls for each limit.
# ARGV: key, dry run (1/0), interval between calls in microseconds (0: no rate), burst, places, lease in microseconds,
#       seconds to remember calls, then one limit for each set (-1: counted without a bound).
# Answers {code, wait in microseconds}. All checks come first: a claim takes everything or nothing.
_SCRIPT = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local key, dry = ARGV[1], ARGV[2] == '1'
local interval, burst = tonumber(ARGV[3]), tonumber(ARGV[4])
local places, lease, ttl = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local counted = #KEYS > 2
for i = 3, #KEYS do
  if redis.call('SISMEMBER', KEYS[i], key) == 0 then
    counted = false
    local limit = tonumber(ARGV[5 + i])
    if limit >= 0 and redis.call('SCARD', KEYS[i]) >= limit then return {'calls_exceeded', 0} end
  end
end
local arrival = nil
if interval > 0 and not counted then
  arrival = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + interval
  local early = arrival - interval * burst - now
  if early > 0 then return {'rate_exceeded', early} end
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now))
if not redis.call('ZSCORE', KEYS[2], key) and redis.call('ZCARD', KEYS[2]) >= places then
  local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
  return {'busy', math.min(tonumber(first[2]) - now, 250000)}
end
if dry then return {'granted', 0} end
if arrival then
  redis.call('SET', KEYS[1], string.format('%.0f', arrival), 'PX', math.ceil((arrival - now) / 1000) + 1000)
end
redis.call('ZADD', KEYS[2], string.format('%.0f', now + lease), key)
redis.call('PEXPIRE', KEYS[2], math.ceil(lease / 1000) + 1000)
for i = 3, #KEYS do
  redis.call('SADD', KEYS[i], key)
  redis.call('EXPIRE', KEYS[i], ttl)
end
return {'granted', 0}
"""


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
        keys = [_rate_key(claim), _places_key(claim), *(_calls_key(claim, limit.role) for limit in claim.call_limits)]
        arguments: list[str | int] = [
            claim.key,
            int(dry),
            math.ceil(interval),
            claim.rate_count or 0,
            claim.concurrency,
            math.ceil(claim.lease * 1e6),
            CALLS_TTL,
            *(-1 if limit.calls is None else limit.calls for limit in claim.call_limits),
        ]
        try:
            code, wait = await self._script(keys=keys, args=arguments)
            answer = QuotaAnswer(code.decode())
        except (RedisError, OSError, ValueError, TypeError, AttributeError) as error:
            raise unavailable(
                "QUOTA_UNAVAILABLE", "the quota store does not answer: nothing is done without it", retry_after=1.0
            ) from error
        return QuotaVerdict(answer, retry_after=int(wait) / 1e6)


def _rate_key(claim: QuotaClaim) -> str:
    return f"amas:quota:{{{claim.tenant}}}:rate:{claim.server}"


def _places_key(claim: QuotaClaim) -> str:
    return f"amas:quota:{{{claim.tenant}}}:places:{claim.server}"


def _calls_key(claim: QuotaClaim, role: str) -> str:
    # A digest, since ids come from callers and must not be able to form another key. The tenant's pattern has no brace.
    return f"amas:quota:{{{claim.tenant}}}:calls:{digest([claim.run_id, role, claim.tool])}"
