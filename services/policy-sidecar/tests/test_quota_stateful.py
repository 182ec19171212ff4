"""Any interleaving of claims, retries, settlements, crashes and ends of leases and windows, against a plain model.

The model says what each claim must be answered, so the store neither grants too much nor refuses too much.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import pytest
from amas_chassis.clock import SystemClock
from amas_governance.revocations import Revoked
from amas_policy_sidecar.adapters.redis_quota import RedisQuota
from amas_policy_sidecar.adapters.redis_revocations import RedisRevocations
from amas_policy_sidecar.domain.quota import Amount, QuotaAnswer, QuotaBound, QuotaClaim, Used
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis

from .quota_claims import bound, claim

T = TypeVar("T")
# Seconds: no such window begins while the test runs, unless the test ends it.
WINDOW = 3652 * 86_400.0
BOUNDS = (
    bound("tenant", calls=6, bytes_out=60, bytes_in=20_000, wall_clock=40.0, window=WINDOW),
    bound("role", calls=4, bytes_in=9_000, concurrency=2),
    bound("tool", bytes_out=45, wall_clock=12.0, concurrency=3, window=WINDOW),
)
TENANTS = ("acme", "globex")
PROCESSES = st.integers(0, 2)
LEASE = 3600.0


@dataclass
class Counter:
    """What the model knows of one bound for one tenant."""

    bound: QuotaBound
    calls: int = 0
    bytes_out: int = 0
    bytes_in: int = 0
    seconds: float = 0.0
    late: Used = field(default_factory=Used)
    """What was settled after its hold had lapsed: it was true, but nobody could keep room for it."""
    holds: dict[str, tuple[int, float]] = field(default_factory=dict)

    def others(self, key: str) -> tuple[int, int, float]:
        """Places, bytes and seconds that other keys hold."""
        held = [hold for name, hold in self.holds.items() if name != key]
        return len(held), sum(size for size, _ in held), sum(seconds for _, seconds in held)


@dataclass
class Call:
    """A call under way in one process, and the windows that its claim was made in."""

    process: int
    claim: QuotaClaim
    bytes_in: int


class Quotas(RuleBasedStateMachine):
    """Three sidecars, two tenants, one store."""

    url: ClassVar[str]

    @initialize()
    def open(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.store = Redis.from_url(self.url)
        self.run(self._empty())
        self.processes = [RedisQuota.connect(self.url, SystemClock()) for _ in range(3)]
        self.counters = {(tenant, one.id): Counter(one) for tenant in TENANTS for one in BOUNDS}
        self.counted: set[tuple[str, str]] = set()
        self.newest: dict[tuple[str, str], str] = {}
        self.calls: list[Call] = []

    async def _empty(self) -> None:
        await self.store.flushall()
        await RedisRevocations(self.store, None).replace(Revoked(1))  # type: ignore[arg-type]  # tells no time here

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @rule(
        at=PROCESSES,
        tenant=st.sampled_from(TENANTS),
        key=st.sampled_from([f"k{number}" for number in range(12)]),
        under=st.sets(st.sampled_from(BOUNDS), min_size=1),
        bytes_out=st.sampled_from([5, 10, 20]),
        bytes_in=st.sampled_from([500, 3000, 8000]),
        look=st.booleans(),
    )
    def take(
        self, at: int, tenant: str, key: str, under: set[QuotaBound], bytes_out: int, bytes_in: int, look: bool
    ) -> None:
        """A call, or a retry of one, asks in any process; sometimes somebody looks first."""
        bounds = tuple(one for one in BOUNDS if one in under)
        made = claim(key, *bounds, tenant=tenant, bytes_out=bytes_out, most_bytes_in=bytes_in, lease=LEASE)
        expected = self.expected(made)
        if look:
            assert self.told(self.run(self.processes[at].peek(made))) == expected
        assert self.told(self.run(self.processes[at].take(made))) == expected
        if expected[0] is QuotaAnswer.GRANTED:
            self.take_in(made, expected[1])
            self.calls.append(Call(at, made, expected[1]))

    @staticmethod
    def told(verdict: Any) -> tuple[Any, ...]:
        refusal = verdict.refusal
        if refusal is None:
            return verdict.answer, verdict.bytes_in
        return verdict.answer, refusal.bound.id, refusal.amount, refusal.left

    def expected(self, made: QuotaClaim) -> tuple[Any, ...]:
        """What the model says to a claim."""
        known = (made.tenant, made.key) in self.counted
        counters = [self.counters[made.tenant, one.id] for one in made.bounds]
        for one in counters:
            limit, least, most = one.bound, made.least_bytes_in, made.most_seconds
            over = QuotaAnswer.EXCEEDED, limit.id
            if not known and limit.calls is not None and one.calls + 1 > limit.calls:
                return *over, Amount.CALLS, max(0, limit.calls - one.calls)
            if not known and limit.bytes_out is not None and one.bytes_out + made.bytes_out > limit.bytes_out:
                return *over, Amount.BYTES_OUT, max(0, limit.bytes_out - one.bytes_out)
            if limit.bytes_in is not None and one.bytes_in + least > limit.bytes_in:
                return *over, Amount.BYTES_IN, max(0, limit.bytes_in - one.bytes_in)
            if limit.wall_clock is not None and one.seconds + most > limit.wall_clock:
                return *over, Amount.WALL_CLOCK, max(0, limit.wall_clock - one.seconds)
        room = made.most_bytes_in
        for one in counters:
            limit, (places, held, seconds) = one.bound, one.others(made.key)
            busy = QuotaAnswer.BUSY, limit.id
            if limit.concurrency is not None and places >= limit.concurrency:
                return *busy, Amount.CONCURRENCY, 0
            if limit.bytes_in is not None:
                left = limit.bytes_in - one.bytes_in - held
                if left < made.least_bytes_in:
                    return *busy, Amount.BYTES_IN, max(0, left)
                room = min(room, left)
            if limit.wall_clock is not None and one.seconds + seconds + made.most_seconds > limit.wall_clock:
                return *busy, Amount.WALL_CLOCK, max(0, limit.wall_clock - one.seconds - seconds)
        return QuotaAnswer.GRANTED, room

    def take_in(self, made: QuotaClaim, room: int) -> None:
        for one in made.bounds:
            counter = self.counters[made.tenant, one.id]
            if (made.tenant, made.key) not in self.counted:
                counter.calls += 1
                counter.bytes_out += made.bytes_out
            counter.holds[made.key] = room, made.most_seconds
        self.counted.add((made.tenant, made.key))
        self.newest[made.tenant, made.key] = made.attempt

    @precondition(lambda self: self.calls)
    @rule(pick=st.integers(0, 7), share=st.sampled_from([0.0, 0.5, 1.0]), twice=st.booleans())
    def settle(self, pick: int, share: float, twice: bool) -> None:
        """A call ends; perhaps it is settled twice, perhaps another attempt has taken it over meanwhile."""
        call = self.calls.pop(pick % len(self.calls))
        used = Used(int(call.bytes_in * share), call.claim.most_seconds * share)
        for _ in range(1 + twice):
            self.run(self.processes[call.process].settle(call.claim, used))
        key = (call.claim.tenant, call.claim.key)
        if self.newest.get(key) != call.claim.attempt:
            return
        del self.newest[key]
        for one in call.claim.bounds:
            counter = self.counters[call.claim.tenant, one.id]
            if counter.holds.pop(call.claim.key, None) is None:
                counter.late.bytes_in += used.bytes_in
                counter.late.seconds += used.seconds
            counter.bytes_in += used.bytes_in
            counter.seconds += used.seconds

    @rule(at=PROCESSES)
    def crash(self, at: int) -> None:
        """A process dies with its calls; nobody settles them."""
        self.calls = [call for call in self.calls if call.process != at]
        self.run(self.processes[at].close())
        self.processes[at] = RedisQuota.connect(self.url, SystemClock())

    @rule(tenant=st.sampled_from(TENANTS))
    def leases_end(self, tenant: str) -> None:
        """Time passes: moving what is stored back is the same as the clock going on."""
        self.run(self._leases_end(tenant))
        for (whose, _), counter in self.counters.items():
            if whose == tenant:
                counter.holds.clear()

    async def _leases_end(self, tenant: str) -> None:
        for one in BOUNDS:
            holds = f"amas:quota:{{{tenant}}}:holds:{one.id}"
            for name, _ in await self.store.zrange(holds, 0, -1, withscores=True):
                await self.store.zadd(holds, {name: 1})

    @rule(tenant=st.sampled_from(TENANTS))
    def window_ends(self, tenant: str) -> None:
        """Used amounts begin anew; what calls under way hold stays held."""
        self.run(self._window_ends(tenant))
        for (whose, _), counter in self.counters.items():
            if whose == tenant and counter.bound.window:
                counter.calls, counter.bytes_out, counter.bytes_in, counter.seconds = 0, 0, 0, 0.0
                counter.late = Used()

    async def _window_ends(self, tenant: str) -> None:
        for one in BOUNDS:
            counter = f"amas:quota:{{{tenant}}}:used:{one.id}"
            if one.window and await self.store.exists(counter):
                await self.store.hincrby(counter, "w", -round(one.window * 1e6))

    @invariant()
    def nothing_exceeds_its_limit(self) -> None:
        """The promise."""
        for counter in getattr(self, "counters", {}).values():
            limit = counter.bound
            _, held, seconds = counter.others("")
            assert limit.calls is None or counter.calls <= limit.calls
            assert limit.bytes_out is None or counter.bytes_out <= limit.bytes_out
            assert limit.bytes_in is None or counter.bytes_in + held <= limit.bytes_in + counter.late.bytes_in
            used = counter.seconds + seconds
            assert limit.wall_clock is None or used <= limit.wall_clock + counter.late.seconds
            assert limit.concurrency is None or len(counter.holds) <= limit.concurrency

    def teardown(self) -> None:
        """Once all leases have ended nothing stays held."""
        if not hasattr(self, "store"):
            return
        for tenant in TENANTS:
            self.leases_end(tenant)
            self.run(self.processes[0].peek(claim("last", *BOUNDS, tenant=tenant)))
        self.run(self._nothing_held())
        for process in self.processes:
            self.run(process.close())
        self.run(self.store.aclose())
        self.loop.close()

    async def _nothing_held(self) -> None:
        for key in await self.store.keys("amas:quota:*:used:*"):
            counter = await self.store.hgetall(key)
            assert (counter[b"hi"], counter[b"ht"]) == (b"0", b"0")
            assert not [name for name in counter if name.startswith(b"h:")]
        assert not await self.store.keys("amas:quota:*:holds:*")


# Some four thousand steps, each with round trips: on a machine with much else to do they take minutes.
@pytest.mark.timeout(900)
@pytest.mark.integration
def test_no_interleaving_gets_past_a_quota_or_is_refused_too_much(redis_url: str) -> None:
    """Over replicas, retries, crashes, late and repeated settlements, ends of leases and of windows (I8, I2)."""
    Quotas.url = redis_url
    run_state_machine_as_test(
        Quotas,
        settings=settings(
            max_examples=100,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
