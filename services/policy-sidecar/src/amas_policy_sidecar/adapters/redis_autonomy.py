"""Error budgets and levels of autonomy in Redis: outcomes in buckets of a sliding window, and one level a subject.

One script counts, so that a retry counts once; levels change by compare and set, so that replicas cannot undo each
other. The clock is the store's. Keys are apart by tenant. It must never answer while the store does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from amas_governance.canonical import digest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from amas_policy_sidecar.domain.autonomy import Level, Standing, Subject, Tally
from amas_policy_sidecar.domain.errors import unavailable
from amas_policy_sidecar.ports import Count, Reading

# Parts of a window: an outcome leaves it at most one part late.
BUCKETS = 24

# KEYS: marker of the idempotency key, then one hash of buckets for each subject.
# ARGV: seconds to remember the key, then for each subject: seconds of a bucket, seconds to keep the hash, bad (1/0).
_COUNT = """
if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[1]) then return 0 end
local now = tonumber(redis.call('TIME')[1])
for i = 2, #KEYS do
  local at = (i - 2) * 3 + 2
  local bucket = string.format('%.0f', math.floor(now / tonumber(ARGV[at])))
  redis.call('HINCRBY', KEYS[i], 't' .. bucket, 1)
  if ARGV[at + 2] == '1' then redis.call('HINCRBY', KEYS[i], 'b' .. bucket, 1) end
  redis.call('EXPIRE', KEYS[i], ARGV[at + 1])
end
return 1
"""

# KEYS: hash of buckets, level. ARGV: seconds of a bucket, number of buckets. Answers {now, total, bad, level or ''}.
_READ = """
local time = redis.call('TIME')
local current = math.floor(tonumber(time[1]) / tonumber(ARGV[1]))
local total, bad, old = 0, 0, {}
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  if tonumber(string.sub(fields[i], 2)) <= current - tonumber(ARGV[2]) then
    old[#old + 1] = fields[i]
  elseif string.sub(fields[i], 1, 1) == 't' then
    total = total + tonumber(fields[i + 1])
  else
    bad = bad + tonumber(fields[i + 1])
  end
end
if #old > 0 then redis.call('HDEL', KEYS[1], unpack(old)) end
return {time[1] .. '.' .. string.format('%06d', time[2]), total, bad, redis.call('GET', KEYS[2]) or ''}
"""

# KEYS: level. ARGV: the level as it was read ('' for none), the new one, seconds to keep it. Answers 1 if changed.
_MOVE = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
"""


class RedisAutonomy:
    """The autonomy store on Redis or Valkey; it shares the quota's client."""

    def __init__(self, redis: Redis) -> None:
        self._count = redis.register_script(_COUNT)
        self._read = redis.register_script(_READ)
        self._move = redis.register_script(_MOVE)

    async def count(self, tenant: str, key: str, counts: Sequence[Count]) -> None:
        """See AutonomyStore."""
        keys = [f"{_prefix(tenant)}counted:{digest(key)}"]
        arguments: list[str | int] = [max((_keep(count.subject) for count in counts), default=1)]
        for count in counts:
            keys.append(_buckets_key(tenant, count.subject))
            arguments += [_bucket(count.subject), _keep(count.subject), int(count.bad)]
        try:
            await self._count(keys=keys, args=arguments)
        except (RedisError, OSError) as error:
            raise _away() from error

    async def read(self, tenant: str, subject: Subject) -> Reading:
        """See AutonomyStore."""
        keys = [_buckets_key(tenant, subject), _level_key(tenant, subject)]
        try:
            now, total, bad, level = await self._read(keys=keys, args=[_bucket(subject), BUCKETS])
            return Reading(float(now), Tally(int(total), int(bad)), _standing(level.decode()))
        except (RedisError, OSError, ValueError, TypeError, AttributeError, KeyError) as error:
            raise _away() from error

    async def move(self, tenant: str, subject: Subject, before: Standing | None, after: Standing) -> bool:
        """See AutonomyStore."""
        arguments: list[str | int] = [_text(before), _text(after), _keep(subject)]
        try:
            return bool(await self._move(keys=[_level_key(tenant, subject)], args=arguments))
        except (RedisError, OSError) as error:
            raise _away() from error


def _bucket(subject: Subject) -> int:
    return max(1, math.ceil(subject.budget.window / BUCKETS))


def _keep(subject: Subject) -> int:
    """Seconds: beyond this nothing of it is within the window, and a level without a past is found from the counts."""
    return 2 * _bucket(subject) * BUCKETS


def _text(standing: Standing | None) -> str:
    return "" if standing is None else f"{standing.level.name}@{standing.since!r}"


def _standing(text: str) -> Standing | None:
    if not text:
        return None
    level, _, since = text.partition("@")
    return Standing(Level[level], float(since))


def _prefix(tenant: str) -> str:
    return f"amas:autonomy:{{{tenant}}}:"


def _buckets_key(tenant: str, subject: Subject) -> str:
    # The length of a bucket too: a contract that changes its window begins to count anew.
    return f"{_prefix(tenant)}outcomes:{subject.name}:{_bucket(subject)}"


def _level_key(tenant: str, subject: Subject) -> str:
    return f"{_prefix(tenant)}level:{subject.name}:{_bucket(subject)}"


def _away() -> Exception:
    return unavailable(
        "QUOTA_UNAVAILABLE",
        "the store of the error budgets does not answer: nothing is done without it",
        retry_after=1.0,
    )
