"""Quotas in Redis, counted by one script over all bounds of a call, so that replicas cannot race each other past one.

A claim counts calls and arguments, by idempotency key (a retry adds nothing), and holds a place, room for the answer
and time; the settlement puts what was used in place of what was held. What a dead caller holds ends with its lease.
Windows and rates (GCRA) are on the store's clock. Keys are apart by tenant. The claim's script asks too whether
something that the call needs is revoked, so that nothing lies between. It must never answer while the store does not.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from amas_chassis.clock import Clock
from amas_chassis.redis_pipeline import RedisAwayError, RedisPipeline, Script
from redis.asyncio import Redis
from redis.exceptions import RedisError

from amas_policy_sidecar.domain.errors import revocations_unknown, unavailable
from amas_policy_sidecar.domain.quota import (
    Amount,
    QuotaAnswer,
    QuotaBound,
    QuotaClaim,
    QuotaVerdict,
    Refusal,
    Used,
    claim_id,
)

from .redis_revocations import KEY as REVOCATIONS

# Milliseconds that what never renews is remembered after its last call: longer than a run may wait for people.
RUN_KEPT = 90 * 24 * 3600 * 1000
# Seconds that an idempotency key is remembered after its last claim: a later retry counts once more, never less.
REMEMBERED = 2 * 24 * 3600
# Seconds that the store may take; a decision waits for it.
TIMEOUT = 2.0
# Settlements that wait for the store; of further ones the lease alone ends what is held.
MAX_UNSETTLED = 1024
_UNKNOWN = b"revocations_unknown"
_MICRO = 1_000_000

_CLAIM = Script.read(Path(__file__).parent / "quota_claim.lua")
_SETTLE = Script.read(Path(__file__).parent / "quota_settle.lua")
_log = logging.getLogger(__name__)


class RedisQuota:
    """The quota port on Redis or Valkey."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        self._redis = redis
        self._pipeline = RedisPipeline(redis, clock, timeout=TIMEOUT)
        self._unsettled: deque[tuple[QuotaClaim, Used]] = deque(maxlen=MAX_UNSETTLED)

    @classmethod
    def connect(cls, dsn: str, clock: Clock) -> RedisQuota:
        """A client for `dsn`; it connects when it is first asked."""
        return cls(Redis.from_url(dsn, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT), clock)

    @property
    def redis(self) -> Redis:
        """The client, for what else stands in the same store."""
        return self._redis

    async def peek(self, claim: QuotaClaim) -> QuotaVerdict:
        """What `take` would say, without taking."""
        return await self._run(claim, dry=True)

    async def take(self, claim: QuotaClaim) -> QuotaVerdict:
        """Count the call and hold what it may use, of all of its bounds at once or of none."""
        if self._unsettled:
            await self._settle_waiting()
        return await self._run(claim, dry=False)

    async def settle(self, claim: QuotaClaim, used: Used) -> None:
        """Count what the call has used in place of what it holds; while the store is away, once it is back."""
        try:
            await self._settled(claim, used)
        except RedisAwayError:
            _log.warning("the quota store is away: what a call used is counted when it is back")
            self._unsettled.append((claim, used))

    async def check(self) -> None:
        """Raise AmasError if the store does not answer; counts what waited for it."""
        try:
            await self._redis.ping()
        except (RedisError, OSError) as error:
            raise unavailable("QUOTA_UNAVAILABLE", "the quota store does not answer") from error
        await self._settle_waiting()

    async def close(self) -> None:
        """Close the connections."""
        await self._pipeline.close()
        await self._redis.aclose()

    async def _settle_waiting(self) -> None:
        while self._unsettled:
            claim, used = self._unsettled.popleft()
            try:
                await self._settled(claim, used)
            except RedisAwayError:
                self._unsettled.appendleft((claim, used))
                return

    async def _settled(self, claim: QuotaClaim, used: Used) -> None:
        arguments: list[str | int] = [
            claim_id(claim.key),
            claim.attempt,
            used.bytes_in,
            math.ceil(used.seconds * _MICRO),
        ]
        for bound in claim.bounds:
            arguments += [round(bound.window * _MICRO), _kept(bound, claim)]
        await self._pipeline.call(_SETTLE, [_record_key(claim), *_keys(claim)], arguments)

    async def _run(self, claim: QuotaClaim, *, dry: bool) -> QuotaVerdict:
        try:
            keys = [REVOCATIONS, _record_key(claim), *_keys(claim)]
            answer = await self._pipeline.call(_CLAIM, keys, _arguments(claim, dry=dry))
            if answer[0] == _UNKNOWN:
                raise revocations_unknown()
            return _verdict(claim, answer)
        except (RedisAwayError, ValueError, TypeError, AttributeError, IndexError) as error:
            raise unavailable(
                "QUOTA_UNAVAILABLE", "the quota store does not answer: nothing is done without it", retry_after=1.0
            ) from error


def _arguments(claim: QuotaClaim, *, dry: bool) -> list[str | int]:
    needs = (*claim.needs, *claim.approvers)
    arguments: list[str | int] = [
        int(dry),
        claim_id(claim.key),
        claim.attempt,
        math.ceil(claim.lease * _MICRO),
        REMEMBERED,
        claim.bytes_out,
        claim.most_bytes_in,
        claim.least_bytes_in,
        math.ceil(claim.most_seconds * _MICRO),
        len(needs),
        *(one.key for one in needs),
    ]
    for bound in claim.bounds:
        arguments += [
            round(bound.window * _MICRO),
            *(-1 if limit is None else limit for limit in (bound.calls, bound.bytes_out, bound.bytes_in)),
            -1 if bound.wall_clock is None else math.floor(bound.wall_clock * _MICRO),
            _interval(bound),
            0 if bound.rate is None else bound.rate.count,
            -1 if bound.concurrency is None else bound.concurrency,
            _kept(bound, claim),
        ]
    return arguments


def _verdict(claim: QuotaClaim, answer: list[Any]) -> QuotaVerdict:
    code, wait, place, amount, left, ends, bytes_in, *shares = answer
    said = QuotaAnswer(code.decode())
    if said is QuotaAnswer.GRANTED:
        return QuotaVerdict(said, bytes_in=int(bytes_in), shares=tuple(int(share) / 10_000 for share in shares))
    if said is QuotaAnswer.REVOKED:
        return QuotaVerdict(said, revoked=(*claim.needs, *claim.approvers)[int(place)])
    what, seconds = Amount(amount.decode()), int(wait) / _MICRO
    remaining = int(left) / _MICRO if what is Amount.WALL_CLOCK else int(left)
    renews = datetime.fromtimestamp(int(ends) / _MICRO, UTC) if int(ends) else None
    refusal = Refusal(claim.bounds[int(place)], what, remaining, renews)
    return QuotaVerdict(said, retry_after=None if seconds < 0 else seconds, refusal=refusal)


def _interval(bound: QuotaBound) -> int:
    """Microseconds between two calls at the bound's rate; 0: it has none."""
    return 0 if bound.rate is None else math.ceil(bound.rate.per / bound.rate.count * _MICRO)


def _kept(bound: QuotaBound, claim: QuotaClaim) -> int:
    """Milliseconds that the bound's keys are needed for after a call."""
    counts = any(limit is not None for limit in (bound.calls, bound.bytes_out, bound.bytes_in, bound.wall_clock))
    if counts and not bound.window:
        return RUN_KEPT
    burst = _interval(bound) * (0 if bound.rate is None else bound.rate.count) / 1000
    return math.ceil(max(bound.window * 1000, claim.lease * 1000, burst)) + 1000


def _keys(claim: QuotaClaim) -> list[str]:
    """A counter and its holds for each bound. The tenant's pattern has no brace, so it forms no other key."""
    base = f"amas:quota:{{{claim.tenant}}}:"
    return [f"{base}{kind}:{bound.id}" for bound in claim.bounds for kind in ("used", "holds")]


def _record_key(claim: QuotaClaim) -> str:
    return f"amas:quota:{{{claim.tenant}}}:claim:{claim_id(claim.key)}"
