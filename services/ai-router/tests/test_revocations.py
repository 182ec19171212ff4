"""No decision that is kept outlives a revocation by more than a second, and no call pays for that."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from amas_ai_router.domain.model import CallContext, Decision
from amas_ai_router.usecases import decide_access
from amas_ai_router.usecases.decide_access import LOOK_INTERVAL, LOOK_LEASE, DecideAccess
from amas_ai_router.usecases.find_routing import FindRouting
from amas_chassis.clock import ManualClock
from amas_chassis.errors import AmasError

from .fakes import FakePolicy, make_context
from .memory_stores import MemoryBundles

DIGEST = "sha256:" + "a" * 64
REFUSED = Decision("d2", allowed=False, reasons=(("REVOKED", "principal developer is revoked"),))


class World:
    """Access over a policy that is told what to say."""

    def __init__(self) -> None:
        self.clock = ManualClock(datetime(2026, 11, 23, tzinfo=UTC))
        self.policy = FakePolicy()
        self.access = DecideAccess(self.policy, FindRouting(MemoryBundles()), self.clock)
        self.context: CallContext = make_context(DIGEST)

    async def allowed(self) -> bool:
        return (await self.access.run(self.context, "default")).allowed

    def revoke(self) -> None:
        self.policy.decision = REFUSED
        self.policy.version += 1


@pytest.fixture
def world() -> World:
    return World()


async def test_a_call_within_the_lease_asks_nobody(world: World) -> None:
    """ADR 0013: a thousand calls, one decision and one look: nothing goes over the network for a call."""
    for _ in range(1000):
        assert await world.allowed()
    assert (len(world.policy.asked), world.policy.looks) == (1, 1)


async def test_a_kept_answer_does_not_outlive_a_revocation_by_a_second(world: World) -> None:
    """Also if nothing looked in the background: the lease ends, and the call itself looks before it answers."""
    assert await world.allowed()
    world.revoke()
    world.clock.advance(LOOK_LEASE)
    assert not await world.allowed()
    assert LOOK_INTERVAL < LOOK_LEASE < 1.0


async def test_the_background_notices_by_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a quarter of a second: the clock stands still here, so that only the work in the background can tell."""
    monkeypatch.setattr(decide_access, "LOOK_INTERVAL", 0.0)
    world = World()
    assert await world.allowed()
    watching = asyncio.ensure_future(world.access.watch())
    world.revoke()
    looks = world.policy.looks
    while world.policy.looks < looks + 2:  # noqa: ASYNC110 - the fake sets no event
        await asyncio.sleep(0)
    assert not await world.allowed()
    watching.cancel()


async def test_a_restored_principal_is_let_in_again(world: World) -> None:
    """Refusals are kept as shortly as permissions."""
    world.revoke()
    assert not await world.allowed()
    world.policy.decision = Decision("d3", allowed=True)
    world.policy.version += 1
    world.clock.advance(LOOK_LEASE)
    assert await world.allowed()


async def test_an_answer_that_a_revocation_overtook_is_not_kept(world: World) -> None:
    """Policy said yes, something was revoked and noticed, and only then did the yes arrive: nobody else gets it."""
    assert await world.allowed()
    world.context = make_context(DIGEST, role="writer")
    decide, asked, gate = world.policy.decide, asyncio.Event(), asyncio.Event()

    async def slow(context: CallContext, route: str) -> Decision:
        answer = await decide(context, route)
        asked.set()
        await gate.wait()
        return answer

    world.policy.decide = slow  # type: ignore[method-assign]
    late = asyncio.ensure_future(world.allowed())
    await asked.wait()
    world.policy.decide = decide  # type: ignore[method-assign]
    world.revoke()
    world.clock.advance(LOOK_LEASE)
    assert not await world.allowed()
    gate.set()
    assert await late
    assert not await world.allowed()


async def test_without_a_look_nobody_gets_in(world: World) -> None:
    """I2: the policy-sidecar is away for longer than the lease: a kept yes is no yes any more (fail closed)."""
    assert await world.allowed()
    world.policy.away = True
    world.clock.advance(LOOK_LEASE / 2)
    assert await world.allowed()
    world.clock.advance(LOOK_LEASE / 2)
    with pytest.raises(AmasError) as caught:
        await world.allowed()
    assert caught.value.reason == "POLICY_UNAVAILABLE"
