"""Lets one of many equal calls ask the model: the others wait for its answer.

In one process they wait for a future, over replicas for a lease in the store. A leader that fails, is cancelled or dies
is followed by the next; whoever saw MAX_VAIN leaders end without an answer asks alone, so that a model which fails
makes nobody queue. A follower's own cancellation and deadline end only its own waiting.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from enum import StrEnum
from typing import Any

from amas_chassis.clock import Clock

from amas_ai_router.domain.cache_keys import CacheKey
from amas_ai_router.domain.cached_answers import CachedAnswer, Lead
from amas_ai_router.ports import AnswerStore

# Leaders that a follower sees end in vain before it asks alone.
MAX_VAIN = 2
# Longest wait for others, in seconds: a route's usual total time-out. After it a call asks alone.
MAX_WAIT_SECONDS = 120.0
# A leader renews its lease this often (seconds); the store's lease is a few times longer.
RENEW_SECONDS = 2.0

# How long draining waits for the store, in seconds.
DRAIN_SECONDS = 1.0

Unseal = Callable[[bytes], CachedAnswer | None]


class _End(StrEnum):
    ANSWERED = "answered"
    # The leader failed or went away: the next one takes over.
    VAIN = "vain"
    # There is an answer that must not be shared: waiting for another one would end the same way.
    UNSHARED = "unshared"


class _Flight:
    """One call under way in this process, and those who wait for it."""

    def __init__(self) -> None:
        self.ended: asyncio.Future[_End] = asyncio.get_running_loop().create_future()
        self.answer: CachedAnswer | None = None


class Turn:
    """A call's part: it was answered, or it asks the model, for others too (`leads`) or for itself alone."""

    def __init__(self, flights: SingleFlight, key: CacheKey, flight: _Flight | None, token: str) -> None:
        self._flights = flights
        self._key = key
        self._flight = flight
        self._token = token
        self._renewing: asyncio.Task[None] | None = None
        self.answer = flight.answer if flight is not None else None

    def share(self, answer: CachedAnswer) -> None:
        """Gives the answer to those who wait in this process, at once."""
        if self._flight is not None:
            self._flights.land(self._key, self._flight, _End.ANSWERED, answer)

    async def keep(self, answer: CachedAnswer, value: bytes, ttl: float) -> None:
        """Shares the answer, and keeps its sealed form for `ttl` seconds."""
        self.share(answer)
        self._stop_renewing()
        await self._flights.store.end(self._key, self._token, value, ttl)
        self._token = ""

    def unshared(self) -> None:
        """There is an answer, for this call alone."""
        if self._flight is not None:
            self._flights.land(self._key, self._flight, _End.UNSHARED, None)

    def end(self) -> None:
        """Must be called, whatever happened. Those who still wait take over."""
        if self._flight is not None:
            self._flights.land(self._key, self._flight, _End.VAIN, None)
        self._stop_renewing()
        if self._token:
            token, self._token = self._token, ""
            self._flights.in_background(self._flights.store.end(self._key, token, None, 0.0))

    def hold_lease(self) -> None:
        """Renews the lease until the end."""
        self._renewing = asyncio.ensure_future(self._renew())

    async def _renew(self) -> None:
        # Bounded by the call that leads, which has a deadline; `end` is called when it is over.
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await self._flights.store.renew(self._key, self._token)

    def _stop_renewing(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            self._renewing = None


class SingleFlight:
    """Calls under way, by key; none is remembered when it is over, so calls in flight are the bound."""

    def __init__(self, store: AnswerStore, clock: Clock) -> None:
        self.store = store
        self._clock = clock
        self._flights: dict[CacheKey, _Flight] = {}
        self._background: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Keys under way now."""
        return len(self._flights)

    def alone(self, key: CacheKey) -> Turn:
        """The part of a call that waits for nobody and for which nobody waits; what it keeps is there for others."""
        return Turn(self, key, None, "")

    async def begin(self, key: CacheKey, unseal: Unseal) -> Turn:
        """The call's part, after waiting for others at most MAX_WAIT_SECONDS. The turn must be ended."""
        give_up = self._clock.monotonic() + MAX_WAIT_SECONDS
        for _ in range(MAX_VAIN):
            flight = self._flights.get(key)
            if flight is None:
                return await self._lead(key, unseal, give_up)
            try:
                async with asyncio.timeout(max(0.0, give_up - self._clock.monotonic())):
                    # Shielded: a follower that goes away must not end the flight for the others.
                    end = await asyncio.shield(flight.ended)
            except TimeoutError:
                break
            if end is _End.ANSWERED:
                return Turn(self, key, flight, "")
            if end is _End.UNSHARED:
                break
        return self.alone(key)

    async def _lead(self, key: CacheKey, unseal: Unseal, give_up: float) -> Turn:
        flight = self._flights[key] = _Flight()
        token = uuid.uuid4().hex
        try:
            lead = await self._over_replicas(key, token, unseal, flight, give_up)
        except BaseException:
            # The lease may have been given to this token although nobody heard of it.
            self.in_background(self.store.end(key, token, None, 0.0))
            self.land(key, flight, _End.VAIN, None)
            raise
        turn = Turn(self, key, flight, token if lead is Lead.MINE else "")
        if lead is Lead.MINE:
            turn.hold_lease()
        return turn

    async def _over_replicas(self, key: CacheKey, token: str, unseal: Unseal, flight: _Flight, give_up: float) -> Lead:
        """Whether this call asks for all routers; the flight has landed if there was an answer."""
        leaders: set[str] = set()
        unreadable = False
        while True:
            begun = await self.store.begin(key, token)
            if begun.value is not None:
                answer = unseal(begun.value)
                if answer is not None:
                    self.land(key, flight, _End.ANSWERED, answer)
                    return Lead.ANOTHERS
                if unreadable:
                    return Lead.UNKNOWN
                unreadable = True
                await self.store.forget(key)
                continue
            if begun.lead is not Lead.ANOTHERS:
                return begun.lead
            leaders.add(begun.leader)
            if self._clock.monotonic() >= give_up or len(leaders) > MAX_VAIN:
                return Lead.UNKNOWN
            await self.store.wait(key)

    def land(self, key: CacheKey, flight: _Flight, end: _End, answer: CachedAnswer | None) -> None:
        """Ends a flight once; whoever comes now begins a new one."""
        if flight.ended.done():
            return
        flight.answer = answer
        flight.ended.set_result(end)
        if self._flights.get(key) is flight:
            del self._flights[key]

    def in_background(self, ending: Coroutine[Any, Any, None]) -> None:
        """Does what nobody waits for; draining does."""
        task = asyncio.ensure_future(ending)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def drain(self) -> None:
        """Waits, bounded, until leases are given up, so that other replicas need not wait for them to run out."""
        if self._background:
            await asyncio.wait(set(self._background), timeout=DRAIN_SECONDS)
