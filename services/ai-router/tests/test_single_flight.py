"""A hundred equal calls make one: in one process and over replicas, whatever happens to the one that asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from amas_ai_router.domain.cached_answers import CachedAnswer
from amas_ai_router.usecases import single_flight
from amas_ai_router.usecases.answer_cache import AnswerCache

from .cache_fakes import MEMO, MemoryAnswers, Model, NoAnswers, admission, make_cache, route_with, said

CALL = admission(route_with(MEMO))


async def until(condition: Callable[[], bool]) -> None:
    """Lets other tasks run until something holds; the test's own time-out is the bound."""
    while not condition():  # noqa: ASYNC110 - what is awaited is that others wait, which sets no event
        await asyncio.sleep(0)


def waiting(cache: AnswerCache) -> int:
    """Calls in this process that wait for another one."""
    return sum(len(flight.ended._callbacks or ()) for flight in cache.flights._flights.values())


@contextmanager
def limits(monkeypatch: pytest.MonkeyPatch, **values: float) -> Iterator[None]:
    with monkeypatch.context() as patch:
        for name, value in values.items():
            patch.setattr(single_flight, name, value)
        yield


@pytest.mark.parametrize("store", [MemoryAnswers, NoAnswers])
async def test_a_hundred_equal_calls_make_one(store: Callable[[], MemoryAnswers]) -> None:
    """One process, with a store and without: one is asked, all get its answer, and nothing stays behind."""
    cache, model = make_cache(store()), Model(held=True)
    calls = [asyncio.create_task(model.through(cache, CALL)) for _ in range(100)]
    await until(lambda: waiting(cache) == 99)
    model.go.set()
    answers = await asyncio.gather(*calls)
    assert model.asked == 1
    assert {answer.body for answer in answers} == {said().body}
    assert len(cache.flights) == 0
    await cache.drain()


async def test_calls_of_two_replicas_make_one() -> None:
    """Two processes over one store ask once."""
    store, model = MemoryAnswers(), Model(held=True)
    one, other = make_cache(store), make_cache(store)
    calls = [asyncio.create_task(model.through(cache, CALL)) for _ in range(50) for cache in (one, other)]
    await until(lambda: waiting(one) == 49 and waiting(other) == 49 and store.waiting == 1)
    model.go.set()
    await asyncio.gather(*calls)
    assert model.asked == 1


async def test_a_kept_answer_is_given_without_waiting() -> None:
    """The next call is answered from the store, as what it once cost."""
    store, model = MemoryAnswers(), Model()
    fresh = await model.through(make_cache(store), CALL)
    again = await model.through(make_cache(store), CALL)
    assert (model.asked, again) == (1, fresh)


async def test_a_failed_leader_is_followed_by_the_next() -> None:
    """One failure is not everybody's: the next asks, and those who still wait get its answer."""
    cache, model = make_cache(MemoryAnswers()), Model(held=True)
    failing = asyncio.create_task(model.through(cache, CALL, ValueError("no")))
    await model.begun.wait()
    calls = [asyncio.create_task(model.through(cache, CALL)) for _ in range(20)]
    await until(lambda: waiting(cache) == 20)
    model.go.set()
    with pytest.raises(ValueError, match="no"):
        await failing
    await asyncio.gather(*calls)
    assert model.asked == 2


async def test_a_cancelled_leader_does_not_cancel_the_others() -> None:
    """Its client went away; the others have theirs."""
    cache, model = make_cache(MemoryAnswers()), Model(held=True)
    leader = asyncio.create_task(model.through(cache, CALL))
    await model.begun.wait()
    followers = [asyncio.create_task(model.through(cache, CALL)) for _ in range(3)]
    await until(lambda: waiting(cache) == 3)
    leader.cancel()
    model.go.set()
    answers = await asyncio.gather(*followers)
    assert leader.cancelled()
    assert [answer.body for answer in answers] == [said().body] * 3
    assert model.asked == 2


async def test_a_cancelled_follower_ends_only_itself() -> None:
    """Its own deadline holds while it waits, and the leader does not notice."""
    cache, model = make_cache(MemoryAnswers()), Model(held=True)
    leader, patient = (asyncio.create_task(model.through(cache, CALL)) for _ in range(2))
    await model.begun.wait()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await model.through(cache, CALL)
    model.go.set()
    await asyncio.gather(leader, patient)
    assert model.asked == 1


async def test_nobody_queues_behind_a_model_that_fails() -> None:
    """After MAX_VAIN leaders in vain the rest ask at once: each would have to wait for all before it otherwise."""
    cache, model = make_cache(MemoryAnswers()), Model(held=True)
    calls = [asyncio.create_task(model.through(cache, CALL, ValueError("no"))) for _ in range(30)]
    await until(lambda: waiting(cache) == 29)
    model.go.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, ValueError) for result in results)
    assert len(cache.flights) == 0


async def test_an_answer_that_must_not_be_shared_frees_all_at_once() -> None:
    """A cut answer is nobody else's, and the next would be cut too: those who wait ask, side by side."""
    cache, model = make_cache(MemoryAnswers()), Model(held=True)
    cut = said(finish="length")
    calls = [asyncio.create_task(model.through(cache, CALL, cut)) for _ in range(10)]
    await until(lambda: waiting(cache) == 9)
    model.go.set()
    await asyncio.gather(*calls)
    assert model.asked == 10
    assert await model.through(cache, CALL, cut) == cut
    assert model.asked == 11


async def test_a_dead_replica_is_followed_by_the_next() -> None:
    """Its lease runs out, and the one that waited asks."""
    store, model = MemoryAnswers(), Model(held=True)
    dead = asyncio.create_task(model.through(make_cache(store), CALL))
    await model.begun.wait()
    alive = Model()
    follower = asyncio.create_task(alive.through(make_cache(store), CALL))
    await until(lambda: store.waiting == 1)
    await store.die()
    await follower
    assert alive.asked == 1
    dead.cancel()
    await asyncio.gather(dead, return_exceptions=True)


async def test_waiting_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waited for MAX_WAIT_SECONDS asks alone."""
    cache, slow, own = make_cache(MemoryAnswers()), Model(held=True), Model()
    leader = asyncio.create_task(slow.through(cache, CALL))
    await slow.begun.wait()
    with limits(monkeypatch, MAX_WAIT_SECONDS=0.01):
        await own.through(cache, CALL)
    assert own.asked == 1
    slow.go.set()
    await leader


async def test_the_lease_is_renewed_while_the_model_thinks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model may take longer than a lease holds."""
    store, model = MemoryAnswers(), Model(held=True)
    renewed = asyncio.Event()

    async def renew(*_: object) -> None:
        renewed.set()

    monkeypatch.setattr(store, "renew", renew)
    with limits(monkeypatch, RENEW_SECONDS=0.001):
        call = asyncio.create_task(model.through(make_cache(store), CALL))
        await renewed.wait()
    model.go.set()
    await call
    assert store.leases == {}


@pytest.mark.parametrize("garbage", [b"", b"x", b"amas-answer-1\n" + b"0" * 100])
async def test_a_corrupted_value_is_a_miss_and_is_replaced(garbage: bytes) -> None:
    """Nobody gets it, nobody gets an error, and the next call finds a good one."""
    store, model = MemoryAnswers(), Model()
    await model.through(make_cache(store), CALL)
    (key,) = store.values
    store.values[key] = garbage
    assert (await model.through(make_cache(store), CALL)).body == said().body
    assert (await model.through(make_cache(store), CALL)).body == said().body
    assert model.asked == 2


async def test_different_calls_do_not_wait_for_each_other() -> None:
    """Only what is equal is one flight."""
    cache, model = make_cache(MemoryAnswers()), Model(held=True)
    held = asyncio.create_task(model.through(cache, CALL))
    await model.begun.wait()
    other = Model()
    answer: CachedAnswer = await other.through(cache, admission(CALL.route, "another"), said("b"))
    assert answer == said("b")
    model.go.set()
    await held
