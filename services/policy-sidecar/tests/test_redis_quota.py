"""Quotas on a real Valkey: one script, so that no retry is counted twice and no race gets past a bound."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from amas_chassis.clock import SystemClock
from amas_chassis.errors import AmasError, ErrorKind
from amas_chassis.redis_pipeline import RedisAwayError
from amas_governance.revocations import Revoked
from amas_policy_sidecar.adapters.redis_quota import RedisQuota
from amas_policy_sidecar.adapters.redis_revocations import RedisRevocations
from amas_policy_sidecar.domain.quota import Amount, QuotaAnswer, QuotaClaim, Refusal, Used

from .processes import PATIENCE, PAUSE
from .quota_claims import DAY, HOUR, MINUTE, bound, claim

pytestmark = pytest.mark.integration

GRANTED, EXCEEDED = QuotaAnswer.GRANTED, QuotaAnswer.EXCEEDED
LATE, BUSY = QuotaAnswer.RATE_EXCEEDED, QuotaAnswer.BUSY
TWO = bound("two", calls=2)
# Seconds: no such window begins while a test runs.
WINDOW = 3652 * DAY


@pytest.fixture
async def store(redis_url: str) -> str:
    """URL of a store that knows that nothing is revoked."""
    revocations = RedisRevocations.connect(redis_url, SystemClock())
    await revocations.replace(Revoked(1))
    await revocations.close()
    return redis_url


@pytest.fixture
async def quota(store: str) -> AsyncIterator[RedisQuota]:
    made = RedisQuota.connect(store, SystemClock())
    yield made
    await made.close()


async def take(quota: RedisQuota, *claims: QuotaClaim) -> list[QuotaAnswer]:
    return [(await quota.take(one)).answer for one in claims]


async def granted(quota: RedisQuota, one: QuotaClaim) -> None:
    """Return once the claim is granted."""
    async with asyncio.timeout(PATIENCE):
        while (await quota.take(one)).answer is not GRANTED:  # noqa: ASYNC110 - the store sets no event
            await asyncio.sleep(PAUSE)


async def test_calls_are_counted_by_key(quota: RedisQuota) -> None:
    """A retry adds nothing, settled or not; a third key is one too many; another bound or tenant starts anew (I8)."""
    first = claim("1", TWO)
    assert await take(quota, first, claim("2", TWO), claim("1", TWO), claim("3", TWO)) == [GRANTED] * 3 + [EXCEEDED]
    await quota.settle(claim("1", TWO), Used())
    assert await take(quota, claim("1", TWO)) == [GRANTED]
    assert await take(quota, claim("4", TWO, tenant="globex"), claim("4", bound("other", calls=1))) == [GRANTED] * 2


async def test_a_look_takes_nothing(quota: RedisQuota) -> None:
    """A dry run may be made as often as one likes."""
    for number in range(5):
        assert (await quota.peek(claim(str(number), TWO))).answer is GRANTED
    assert await take(quota, claim("1", TWO), claim("2", TWO)) == [GRANTED, GRANTED]
    assert (await quota.peek(claim("3", TWO))).answer is EXCEEDED


async def test_a_claim_is_all_or_nothing(quota: RedisQuota) -> None:
    """Refused for one bound, it takes of no other: not calls, not bytes, not the rate, not a place."""
    full = bound("full", concurrency=1)
    others = [bound("calls", calls=1), bound("out", bytes_out=10), bound("rate", rate=(1, HOUR))]
    await quota.take(claim("other", full))
    assert await take(quota, claim("1", *others, full)) == [BUSY]
    assert await take(quota, claim("2", *others)) == [GRANTED]
    assert await take(quota, claim("3", *others)) == [EXCEEDED]


async def test_no_race_gets_past_a_limit(store: str) -> None:
    """Replicas with connections of their own ask at once: exactly as many as the limit says get through."""
    replicas = [RedisQuota.connect(store, SystemClock()) for _ in range(4)]
    claims = [claim(str(number), bound(calls=7)) for number in range(40)]
    verdicts = await asyncio.gather(*(replicas[n % 4].take(one) for n, one in enumerate(claims)))
    assert sum(verdict.answer is GRANTED for verdict in verdicts) == 7
    for replica in replicas:
        await replica.close()


async def test_a_rate_holds_and_says_when(quota: RedisQuota) -> None:
    """GCRA: the burst passes, the next is told how long to wait, a retry costs nothing."""
    slow = bound(rate=(2, HOUR))
    assert await take(quota, claim("1", slow), claim("2", slow), claim("2", slow)) == [GRANTED] * 3
    verdict = await quota.take(claim("3", slow))
    assert verdict.answer is LATE
    assert verdict.retry_after is not None
    assert HOUR / 2 - PATIENCE < verdict.retry_after <= HOUR / 2
    assert await take(quota, claim("3", slow, tenant="globex")) == [GRANTED]


async def test_a_rate_recovers(quota: RedisQuota) -> None:
    """After the time that was told the call gets through."""
    fast = bound(rate=(20, 1.0))
    for number in range(20):
        await quota.take(claim(str(number), fast))
    await granted(quota, claim("last", fast))


async def test_places_are_taken_given_back_and_end_by_themselves(quota: RedisQuota) -> None:
    """The concurrency bound holds over replicas, and a place that nobody gives back is free after its lease."""
    two = bound(concurrency=2)
    first = claim("1", two)
    assert await take(quota, first, claim("2", two), claim("3", two)) == [GRANTED, GRANTED, BUSY]
    await quota.settle(first, Used())
    assert await take(quota, claim("3", two)) == [GRANTED]
    await quota.settle(claim("2", two), Used())
    assert await take(quota, claim("4", two)) == [BUSY], "another attempt's place is not given back"
    one = bound("one", concurrency=1)
    assert await take(quota, claim("5", one, lease=0.05)) == [GRANTED]
    await granted(quota, claim("6", one))


async def test_arguments_are_counted_before_the_call(quota: RedisQuota) -> None:
    """Bytes out are known beforehand: what does not fit is refused with what is left."""
    out = bound(bytes_out=25)
    assert await take(quota, claim("1", out), claim("2", out)) == [GRANTED, GRANTED]
    refused = await quota.take(claim("3", out))
    assert refused.answer is EXCEEDED
    assert refused.refusal == Refusal(out, Amount.BYTES_OUT, 5)
    assert refused.retry_after is None, "a quota of a run does not renew"
    assert await take(quota, claim("4", out, bytes_out=5)) == [GRANTED]


async def test_an_answer_gets_what_is_left_of_bytes_in(quota: RedisQuota) -> None:
    """Room is held for the answer; the next call gets what nobody holds; what was not used is free again."""
    into = bound(bytes_in=15_000)
    first, second, third = (claim(key, into, most_bytes_in=10_000) for key in "123")
    assert (await quota.take(first)).bytes_in == 10_000
    assert (await quota.take(second)).bytes_in == 5000, "the answer will be cut to what is left"
    verdict = await quota.take(third)
    assert verdict.answer is BUSY, "calls under way may use less than they hold"
    assert verdict.refusal == Refusal(into, Amount.BYTES_IN, 0)
    await quota.settle(first, Used(bytes_in=200))
    assert (await quota.take(third)).bytes_in == 9800
    await quota.settle(second, Used(bytes_in=5000))
    await quota.settle(third, Used(bytes_in=9000))
    verdict = await quota.take(claim("4", into, most_bytes_in=10_000))
    assert verdict.answer is EXCEEDED, "less than a page is not worth a call"
    assert verdict.refusal == Refusal(into, Amount.BYTES_IN, 800)
    assert (await quota.take(claim("5", into, most_bytes_in=800))).bytes_in == 800


async def test_wall_clock_is_held_and_settled(quota: RedisQuota) -> None:
    """A call needs its longest time free; what it took stands in its place."""
    clock = bound(wall_clock=12.0, window=WINDOW)
    first, second = claim("1", clock), claim("2", clock)
    assert await take(quota, first, second) == [GRANTED, GRANTED]
    verdict = await quota.take(claim("3", clock))
    assert (verdict.answer, verdict.refusal) == (BUSY, Refusal(clock, Amount.WALL_CLOCK, 2.0))
    await quota.settle(first, Used(seconds=4.5))
    await quota.settle(second, Used(seconds=4.0))
    verdict = await quota.take(claim("3", clock))
    assert verdict.answer is EXCEEDED
    assert verdict.refusal is not None
    assert verdict.refusal.left == pytest.approx(3.5)
    assert verdict.refusal.renews_at is not None
    assert verdict.retry_after is not None
    assert 0 < verdict.retry_after <= WINDOW


async def test_what_a_dead_caller_holds_is_free_after_its_lease(quota: RedisQuota) -> None:
    """Nobody settles it: place, bytes and time come back by themselves; what was sent out stays counted."""
    all_of_it = bound(concurrency=1, bytes_in=1000, bytes_out=25, wall_clock=5.0)
    assert await take(quota, claim("dead", all_of_it, lease=0.05)) == [GRANTED]
    await granted(quota, claim("next", all_of_it))
    refused = await quota.take(claim("last", all_of_it))
    assert (refused.answer, refused.refusal) == (EXCEEDED, Refusal(all_of_it, Amount.BYTES_OUT, 5))


async def test_a_settlement_counts_once_and_also_after_its_lease(quota: RedisQuota) -> None:
    """A late one is the truth; a repeated one, or one of an attempt that another took over, is not."""
    into = bound(bytes_in=1000)
    late = claim("late", into, lease=0.05, most_bytes_in=600)
    assert await take(quota, late) == [GRANTED]
    await granted(quota, claim("next", into, most_bytes_in=900))
    for _ in range(2):
        await quota.settle(late, Used(bytes_in=50))
    old, new = claim("again", into, most_bytes_in=50), claim("again", into, most_bytes_in=50)
    assert await take(quota, old, new) == [GRANTED, GRANTED]
    await quota.settle(old, Used(bytes_in=50))
    assert (await quota.take(claim("none", into, most_bytes_in=1))).answer is BUSY
    await quota.settle(new, Used(bytes_in=50))
    verdict = await quota.take(claim("none", into, most_bytes_in=1))
    assert (verdict.answer, verdict.refusal) == (BUSY, Refusal(into, Amount.BYTES_IN, 0))


async def test_a_window_ends(quota: RedisQuota) -> None:
    """What was used counts in the window it was used in; the next one begins with nothing."""
    brief = bound(calls=1, window=0.2)
    assert await take(quota, claim("1", brief)) == [GRANTED]
    await granted(quota, claim("2", brief))
    minute = bound("minute", calls=1, window=MINUTE)
    await granted(quota, claim("3", minute))
    verdict = await quota.take(claim("4", minute))
    if verdict.answer is EXCEEDED:  # unless a minute began between the two
        assert verdict.retry_after is not None
        assert verdict.retry_after <= MINUTE
        assert verdict.refusal is not None
        assert verdict.refusal.renews_at is not None
        assert verdict.refusal.renews_at.second == 0


async def test_what_is_used_up_is_said_before_what_passes(quota: RedisQuota) -> None:
    """Nobody waits for a place, or is asked to approve, what a used up quota would refuse anyway."""
    place, calls = bound("place", concurrency=1), bound("calls", calls=1)
    await quota.take(claim("1", place, calls))
    verdict = await quota.peek(claim("2", place, calls))
    assert (verdict.answer, verdict.refusal) == (EXCEEDED, Refusal(calls, Amount.CALLS, 0))


async def test_a_grant_says_how_much_is_used(quota: RedisQuota) -> None:
    """The highest share of what is counted, for each bound."""
    bounds = bound("a", calls=4, bytes_out=100), bound("b", bytes_in=10_000, wall_clock=50.0), bound("c", concurrency=9)
    first = claim("1", *bounds)
    assert (await quota.take(first)).shares == (0.25, 0.0, 0.0)
    await quota.settle(first, Used(bytes_in=1000, seconds=20.0))
    assert (await quota.take(claim("2", *bounds, bytes_out=70))).shares == (0.8, 0.4, 0.0)


async def test_a_raised_limit_goes_on_with_what_was_used(quota: RedisQuota) -> None:
    """Runs of two bundles share the counter of a quota, each under the amounts of its own."""
    assert await take(quota, claim("1", TWO), claim("2", TWO)) == [GRANTED, GRANTED]
    more = bound("two", calls=3)
    assert await take(quota, claim("3", more), claim("4", more), claim("4", TWO)) == [GRANTED, EXCEEDED, EXCEEDED]


async def test_what_is_settled_while_the_store_is_away_counts_when_it_is_back(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that a call used is forgotten for a moment without the store."""
    quota, into = RedisQuota.connect(store, SystemClock()), bound(bytes_in=1000)
    first = claim("1", into)
    assert await take(quota, first) == [GRANTED]

    async def gone(*_: Any) -> None:
        raise RedisAwayError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(quota, "_settled", gone)
        await quota.settle(first, Used(bytes_in=700))
        await quota.check()
    verdict = await quota.take(claim("2", into, most_bytes_in=400))
    assert (verdict.answer, verdict.refusal) == (EXCEEDED, Refusal(into, Amount.BYTES_IN, 300))
    await quota.close()


async def test_a_settlement_that_the_store_made_waits_for_nothing(
    quota: RedisQuota, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made or too late, it is over: no word of a store that is away, and the next claim sends nothing again."""
    one = claim("1", bound(bytes_in=5000))
    assert await take(quota, one) == [GRANTED]
    for _ in range(2):
        await quota.settle(one, Used(bytes_in=50))
    sent: list[QuotaClaim] = []

    async def settled(again: QuotaClaim, _: Used) -> None:
        sent.append(again)

    monkeypatch.setattr(quota, "_settled", settled)
    assert await take(quota, claim("2", bound(bytes_in=5000))) == [GRANTED]
    assert sent == []
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


async def test_a_late_settlement_keeps_what_tells_of_a_dead_caller(quota: RedisQuota) -> None:
    """The counter never outlives the holds that it counts: what a dead caller held would never be free again."""
    minute = bound(bytes_in=2000, window=MINUTE)
    dead, late = claim("dead", minute), claim("late", minute)
    assert await take(quota, dead, late) == [GRANTED, GRANTED]
    keys = [f"amas:quota:{{acme}}:{kind}:{minute.id}" for kind in ("holds", "used")]
    for key in keys:
        await quota.redis.pexpire(key, 30_000)
    await quota.settle(late, Used(bytes_in=1))
    holds, counter = [await quota.redis.pttl(key) for key in keys]
    assert holds > 30_000
    assert holds >= counter


async def test_large_amounts_are_counted_exactly(quota: RedisQuota) -> None:
    """Up to 2^40 bytes and a year of time, to the byte and the microsecond."""
    most = bound(bytes_out=2**40, bytes_in=2**40, wall_clock=366 * DAY)
    first = claim("1", most, bytes_out=2**40 - 1, most_bytes_in=2**40, most_seconds=366 * DAY)
    assert (await quota.take(first)).bytes_in == 2**40
    await quota.settle(first, Used(bytes_in=2**40 - 5000, seconds=366 * DAY - 0.000001))
    verdict = await quota.take(claim("2", most, bytes_out=2, most_seconds=0.000001))
    assert verdict.refusal == Refusal(most, Amount.BYTES_OUT, 1)
    verdict = await quota.take(claim("3", most, bytes_out=1, most_seconds=0.000002))
    assert verdict.refusal is not None
    assert verdict.refusal.left == pytest.approx(0.000001)
    assert (
        await quota.take(claim("4", most, bytes_out=1, most_bytes_in=10_000, most_seconds=0.000001))
    ).bytes_in == 5000


async def test_tenants_never_share_a_counter(quota: RedisQuota) -> None:
    """I8: the same quota, key and tool of another tenant; and no id that a caller makes up forms another's key."""
    one = bound(calls=1, bytes_out=10, bytes_in=1000, wall_clock=5.0, concurrency=1, rate=(1, HOUR))
    assert await take(quota, claim("k", one), claim("k", one, tenant="globex")) == [GRANTED, GRANTED]
    names = ["run}:used", "run", "}:used:q", "run\0", "q:holds"]
    assert await take(quota, *(claim(name, bound(f"b{n}", calls=1)) for n, name in enumerate(names))) == [GRANTED] * 5


@pytest.mark.parametrize("port", ["closed", "silent"])
async def test_a_store_that_does_not_answer_is_an_error(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """I2: nobody there, or somebody who says nothing: UNAVAILABLE in bounded time, never an answer."""
    monkeypatch.setattr("amas_policy_sidecar.adapters.redis_quota.TIMEOUT", 0.2)
    done = asyncio.Event()

    async def say_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    listener = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    number = listener.sockets[0].getsockname()[1]
    if port == "closed":
        listener.close()
        await listener.wait_closed()
    quota = RedisQuota.connect(f"redis://127.0.0.1:{number}/0", SystemClock())
    for ask in (quota.take(claim("1")), quota.peek(claim("1")), quota.check()):
        with pytest.raises(AmasError) as caught:
            await ask
        assert (caught.value.kind, caught.value.reason) == (ErrorKind.UNAVAILABLE, "QUOTA_UNAVAILABLE")
    await quota.settle(claim("1"), Used())
    await quota.close()
    done.set()
    listener.close()
    with contextlib.suppress(ConnectionError):
        await listener.wait_closed()
