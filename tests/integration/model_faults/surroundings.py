"""Faults of what stands around a call, by their names in the page: each makes one call and puts all right again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import asyncpg
from redis.asyncio import Redis

from .calls import Call, Seen
from .platform import Platform, until
from .provider_scripts import INPUT, OUTPUT
from .router_process import REDIS_SECONDS
from .routes import GATED_BEFORE, GATED_WITHIN, GOOD

# Seconds that each answer of Redis waits: well below and well above the time that the router gives it.
SLOW, TOO_SLOW = 0.05, 2 * REDIS_SECONDS
# Another month, so that a budget's window is another one too (seconds).
SKEW = 40 * 86_400
GONE = "(gone)"
Break = Callable[[Platform], contextlib.AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Driven:
    """The call and what its client saw. `used`: tokens that the budget has of it, None for those of the ledger."""

    call: Call
    seen: Seen
    used: int | None = None


Driver = Callable[[Platform, bool], Awaitable[Driven]]


@contextlib.asynccontextmanager
async def redis_gone(platform: Platform) -> AsyncIterator[None]:
    """Valkey ends, and starts again as another server with what it had written."""
    await asyncio.to_thread(platform.valkey.stop)
    try:
        yield
    finally:
        await asyncio.to_thread(platform.valkey.start)


@contextlib.asynccontextmanager
async def redis_flushed(platform: Platform) -> AsyncIterator[None]:
    """All that Valkey had is gone."""
    password = platform.valkey.password_file.read_text().strip()
    async with Redis.from_url(platform.valkey.url, password=password) as redis:
        # In one step: a moment later a router may have put back what it holds.
        _, left = await redis.pipeline(transaction=True).flushall().dbsize().execute()
        assert left == 0
    yield


def redis_answers_after(seconds: float) -> Break:
    """Valkey does what it is told, and says so late."""

    @contextlib.asynccontextmanager
    async def slow(platform: Platform) -> AsyncIterator[None]:
        platform.redis_link.delay = seconds
        try:
            yield
        finally:
            platform.redis_link.delay = 0.0

    return slow


@contextlib.asynccontextmanager
async def postgres_gone(platform: Platform) -> AsyncIterator[None]:
    """Postgres ends, and starts again."""
    await asyncio.to_thread(platform.postgres.stop)
    try:
        yield
    finally:
        await asyncio.to_thread(platform.postgres.start)


@contextlib.asynccontextmanager
async def audit_gone(platform: Platform) -> AsyncIterator[None]:
    """Nobody listens where audit did."""
    await platform.audit_server.stop()
    try:
        yield
    finally:
        await platform.audit_server.start()


@contextlib.asynccontextmanager
async def policy_gone(platform: Platform) -> AsyncIterator[None]:
    """Nobody listens where policy did."""
    await platform.policy_server.stop()
    try:
        yield
    finally:
        await platform.policy_server.start()


def before(fault: Break, *, used: int | None = None, **who: str) -> Driver:
    """A call that begins under the fault."""

    async def drive(platform: Platform, stream: bool) -> Driven:
        call = platform.call(GOOD, stream=stream, **who)
        async with fault(platform):
            seen = await platform.make(call)
        return Driven(call, seen, used)

    return drive


def during(fault: Break, *, used: int | None = None, **who: str) -> Driver:
    """A call whose provider is at work when the fault comes; a stream is past its first token."""

    async def drive(platform: Platform, stream: bool) -> Driven:
        call, begun = platform.call(GATED_WITHIN, stream=stream, **who), asyncio.Event()
        making = asyncio.ensure_future(platform.make(call, begun=begun))
        await (begun if stream else platform.gate.reached).wait()
        async with fault(platform):
            platform.gate.opened.set()
            seen = await making
        return Driven(call, seen, used)

    return drive


async def audit_gone_before(platform: Platform, stream: bool) -> Driven:
    """A call that begins without audit; a stream's end waits in the router's outbox until audit is back."""
    call = platform.call(GOOD, stream=stream)
    async with audit_gone(platform):
        seen = await platform.make(call)

    async def told() -> bool | None:
        return any(event.tenant == call.tenant for event in platform.audit.events.values()) or None

    if stream:
        await until("the outbox is told", told)
    return Driven(call, seen)


async def ledger_slow(platform: Platform, stream: bool) -> Driven:
    """Somebody holds the ledger's table when the call is to be written, and lets go of it: the answer waits."""
    call = platform.call(GATED_WITHIN, stream=stream)
    making = asyncio.ensure_future(platform.make(call))
    await platform.gate.reached.wait()
    holder = await asyncpg.connect(platform.postgres.dsn("amas"))
    try:
        async with holder.transaction():
            await holder.execute("LOCK TABLE ai_router.call IN SHARE MODE")
            platform.gate.opened.set()

            async def waits() -> bool | None:
                return await holder.fetchval("SELECT true FROM pg_locks WHERE NOT granted LIMIT 1")  # type: ignore[no-any-return]

            await until("the ledger's writer waits", waits)
            assert not making.done()
    finally:
        await holder.close()
    return Driven(call, await making)


def client_gone(route: str) -> Driver:
    """The client goes away while the provider is at work, and the provider sees that."""

    async def drive(platform: Platform, stream: bool) -> Driven:
        call, begun = platform.call(route, stream=stream), asyncio.Event()
        making = asyncio.ensure_future(platform.make(call, begun=begun))
        await (begun if stream and route == GATED_WITHIN else platform.gate.reached).wait()
        making.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await making
        await asyncio.wait_for(platform.provider.idle(), 60)

        async def recorded() -> bool | None:
            ends = ("refused", "called")
            types = [event.type for event in platform.audit.events.values() if event.tenant == call.tenant]
            return any(kind.endswith(ends) for kind in types) or None

        await until("the end is on record", recorded)
        return Driven(call, Seen(GONE, None, ""))

    return drive


def clock_off_by(seconds: int) -> Driver:
    """Another router, whose clock is wrong, serves the call; the right one tells what it counted."""

    async def drive(platform: Platform, stream: bool) -> Driven:
        call = platform.call(GOOD, stream=stream)
        router = await platform.skewed(seconds)
        seen = await platform.make(call, router)
        assert await platform.budget(call, router) == await platform.budget(call)
        return Driven(call, seen)

    return drive


DRIVERS: dict[str, Driver] = {
    "Redis gone before the call": before(redis_gone),
    "Redis gone before a call that no budget covers": before(redis_gone, used=0, principal="auditor"),
    "Redis gone during the call": during(redis_gone),
    "Redis flushed during the call": during(redis_flushed),
    "Redis slow": before(redis_answers_after(SLOW)),
    "Redis slower than its time-out": before(redis_answers_after(TOO_SLOW)),
    "Redis slower than its time-out, during the call": during(redis_answers_after(TOO_SLOW)),
    "Postgres gone before the call": before(postgres_gone),
    "Postgres gone before a call with a key": before(postgres_gone, key="k"),
    "Postgres gone during the call": during(postgres_gone, used=INPUT + OUTPUT),
    "Postgres gone during a call with a key": during(postgres_gone, used=INPUT + OUTPUT, key="k"),
    "Postgres slow": ledger_slow,
    "audit gone before the call": audit_gone_before,
    "audit gone during the call": during(audit_gone),
    "policy gone before the call": before(policy_gone),
    "client gone before the first token": client_gone(GATED_BEFORE),
    "client gone after the first token": client_gone(GATED_WITHIN),
    "the router's clock 40 days ahead": clock_off_by(SKEW),
    "the router's clock 40 days behind": clock_off_by(-SKEW),
}
