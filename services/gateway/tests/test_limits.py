"""Rate limits: one rule in Python and in Redis, and what holds while Redis is away."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from amas_chassis import redis_pipeline
from amas_chassis.clock import ManualClock, SystemClock
from amas_chassis.errors import AmasError, ErrorKind
from amas_chassis.redis_pipeline import RETRY_SECONDS, RedisPipeline, Script, connect
from amas_gateway.adapters import redis_limits
from amas_gateway.adapters.local_limits import MAX_KEYS, LocalLimits
from amas_gateway.adapters.redis_limits import RedisLimits
from amas_gateway.domain import limits
from amas_gateway.domain.limits import Allowance, Rate
from amas_gateway.telemetry import Instruments
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

SLOW = Rate(1, 3600, 3)
TENANT = Allowance("tenant", "{acme}:read", Rate(1, 3600, 5))
PRINCIPAL = Allowance("principal", "{acme}:read:someone", SLOW)
OTHER = Allowance("principal", "{acme}:read:another", SLOW)


# Seconds that a test waits for Redis: the bound of a hang, not of a machine with much else to do.
PATIENCE = 60.0


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """To connect takes as long as it takes; how long the gateway waits for Redis is the chassis's tests'."""
    monkeypatch.setattr(redis_pipeline, "TIMEOUT_SECONDS", PATIENCE)


def clock() -> ManualClock:
    return ManualClock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "rate"),
    [("600/m", Rate(600, 60, 600)), ("50/s,burst=100", Rate(50, 1, 100)), ("1/h", Rate(1, 3600, 1))],
)
def test_rates_are_read(text: str, rate: Rate) -> None:
    """The three documented forms of a rate."""
    assert Rate.parse(text) == rate


@given(
    rate=st.builds(Rate, st.integers(1, 1000), st.sampled_from([1, 60, 3600]), st.integers(1, 50)),
    gaps=st.lists(st.integers(0, 5_000_000), min_size=1, max_size=100),
)
def test_gcra_never_lets_more_through_than_rate_and_burst(rate: Rate, gaps: list[int]) -> None:
    """Over any stretch of time at most burst + elapsed / interval requests conform; one that waited its time does."""
    now, arrival, begun, passed = 10**15, 0, 10**15, 0
    for gap in gaps:
        now += gap
        after, wait = limits.next_arrival(arrival, rate, now)
        if wait == 0:
            arrival = after
            passed += 1
        else:
            assert limits.next_arrival(arrival, rate, now + wait)[1] == 0
    assert passed <= rate.burst + (now - begun) / rate.interval_us


async def test_local_limits_refuse_refill_and_forget() -> None:
    """In one process: the burst, then the rate; keys are bounded."""
    time = clock()
    local = LocalLimits(time)
    assert [(await local.take([PRINCIPAL])).allowed for _ in range(4)] == [True, True, True, False]
    refused = await local.take([PRINCIPAL])
    assert refused.retry_after == pytest.approx(3600)
    assert refused.tightest.remaining == 0
    time.advance(3600)
    assert (await local.take([PRINCIPAL])).allowed
    for number in range(MAX_KEYS + 10):
        await local.take([Allowance("principal", str(number), SLOW)])
    assert len(local._arrivals) == MAX_KEYS


@pytest.mark.integration
async def test_redis_takes_from_all_or_none(redis_url: str) -> None:
    """A request that one allowance refuses costs the other nothing; gateways share what is taken."""
    redis = RedisPipeline(connect(redis_url), SystemClock(), timeout=PATIENCE)
    first, second = (RedisLimits(redis, SystemClock(), Instruments(CollectorRegistry())) for _ in range(2))
    taken = [(await limiter.take([TENANT, PRINCIPAL])).allowed for limiter in (first, second, first, second)]
    assert taken == [True, True, True, False]
    left = await first.take([TENANT, OTHER])
    assert [(quota.scope, quota.remaining) for quota in left.quotas] == [("tenant", 1), ("principal", 2)]
    assert (await second.take([TENANT, OTHER])).tightest.remaining == 0
    refused = await second.take([TENANT, OTHER])
    assert not refused.allowed
    assert 3000 < refused.retry_after <= 3600
    await redis.close()


@pytest.mark.integration
@pytest.mark.parametrize("rate", [Rate(10, 1, 1), Rate(7, 60, 3), Rate(1000, 1, 50), SLOW])
async def test_redis_and_python_agree(redis_url: str, rate: Rate) -> None:
    """The script and the rule in Python give the same numbers for the same moments."""
    redis = connect(redis_url)
    script: Any = redis.register_script(redis_limits.SCRIPT.read_text())
    arrival = 0
    for _ in range(rate.burst * 2 + 5):
        allowed, wait, now, stored = (int(n) for n in await script(keys=["k"], args=[rate.interval_us, rate.burst]))
        after, expected_wait = limits.next_arrival(arrival, rate, now)
        arrival = after if expected_wait == 0 else arrival
        assert (allowed, wait, stored) == (int(expected_wait == 0), expected_wait, arrival)
    await redis.aclose()


@pytest.mark.integration
async def test_keys_expire(redis_url: str) -> None:
    """What is full again needs no key: Redis holds nothing for the idle."""
    redis = connect(redis_url)
    pipeline = RedisPipeline(redis, SystemClock(), timeout=PATIENCE)
    limiter = RedisLimits(pipeline, SystemClock(), Instruments(CollectorRegistry()))
    await limiter.take([Allowance("tenant", "{acme}:read", Rate(1, 3600, 5))])
    assert 3_000_000 < await redis.pttl(redis_limits.KEY_PREFIX + "{acme}:read") <= 3_600_001
    await pipeline.close()
    await redis.aclose()


async def test_without_redis_limits_hold_locally(caplog: pytest.LogCaptureFixture) -> None:
    """Redis away: the same rates hold in this process; it is logged once and shown as a metric."""
    time, registry = clock(), CollectorRegistry()
    redis = RedisPipeline(connect("redis://127.0.0.1:1/0"), time, timeout=PATIENCE)
    limiter = RedisLimits(redis, time, Instruments(registry))
    with caplog.at_level(logging.ERROR):
        assert [(await limiter.take([PRINCIPAL])).allowed for _ in range(4)] == [True, True, True, False]
    said = [record.message for record in caplog.records]
    assert said == ["Redis is away (ConnectionError)", "limits hold for this process alone"]
    assert registry.get_sample_value("amas_gateway_limits_degraded") == 1
    assert registry.get_sample_value("amas_gateway_limits_without_redis_total") == 4
    await redis.close()


async def test_without_redis_refuse() -> None:
    """With `refuse`, nothing gets through without Redis."""
    redis = RedisPipeline(connect("redis://127.0.0.1:1/0"), clock(), timeout=PATIENCE)
    limiter = RedisLimits(redis, clock(), Instruments(CollectorRegistry()), "refuse")
    for _ in range(2):
        with pytest.raises(AmasError) as caught:
            await limiter.take([PRINCIPAL])
        assert (caught.value.kind, caught.value.reason) == (ErrorKind.UNAVAILABLE, "LIMITS_UNAVAILABLE")
    await redis.close()


@pytest.mark.integration
async def test_redis_that_comes_back_is_used_again(redis_url: str) -> None:
    """A moment after a failure Redis is tried again, and limits hold over all gateways once more."""
    time, registry = clock(), CollectorRegistry()
    redis = RedisPipeline(connect(redis_url), time, timeout=PATIENCE)
    broken = Script("return redis.error_reply('ERR not now')", "0" * 40)
    limiter = RedisLimits(redis, time, Instruments(registry))
    right, limiter._script = limiter._script, broken
    assert (await limiter.take([PRINCIPAL])).tightest.remaining == 2
    assert registry.get_sample_value("amas_gateway_limits_degraded") == 1
    limiter._script = right
    time.advance(RETRY_SECONDS)
    assert (await limiter.take([PRINCIPAL])).tightest.remaining == 2
    assert registry.get_sample_value("amas_gateway_limits_degraded") == 0
    await redis.close()
