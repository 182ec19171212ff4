"""What a call sees of the caches: hits, `no_cache`, streams, and next to nothing where a route asks for none."""

from __future__ import annotations

import timeit
from dataclasses import replace

import pytest
from amas_ai_router.domain.model import Operation

from .cache_fakes import (
    MEMO,
    SEMANTIC,
    MemoryAnswers,
    Model,
    admission,
    make_cache,
    route_with,
    said,
    said_in_chunks,
    with_fields,
)

ROUTE = route_with(MEMO)


async def test_without_caches_all_calls_share_one_slot() -> None:
    """A route that asks for none pays for none: the same object, without state, in about a microsecond."""
    cache, model = make_cache(MemoryAnswers()), Model()
    call = admission(route_with({}))
    assert cache.slot(call, stream=False) is cache.slot(call, stream=True)
    assert await model.through(cache, call) == await model.through(cache, call)
    assert model.asked == 2
    # Fifty times what it takes, so that only a real mistake is seen.
    assert min(timeit.repeat(lambda: cache.slot(call, stream=False), number=1000, repeat=5)) < 0.05


@pytest.mark.parametrize("cache", [{}, SEMANTIC])
async def test_embeddings_are_only_memoised(cache: dict[str, object]) -> None:
    """The semantic cache is for questions; the memo takes embeddings too."""
    call = admission(route_with(cache), operation=Operation.EMBEDDINGS)
    caches = make_cache(MemoryAnswers())
    assert caches.slot(call, stream=False) is caches.slot(admission(route_with({})), stream=False)
    model, memo = Model(), admission(ROUTE, operation=Operation.EMBEDDINGS)
    await model.through(caches, memo, replace(said(), finish=""))
    await model.through(caches, memo)
    assert model.asked == 1


async def test_no_cache_asks_and_keeps_the_fresh_answer() -> None:
    """The caller wants a new answer; everybody after it gets that one."""
    cache, model = make_cache(MemoryAnswers()), Model()
    await model.through(cache, admission(ROUTE), said("old"))
    assert await model.through(cache, admission(ROUTE, no_cache=True), said("new")) == said("new")
    assert await model.through(cache, admission(ROUTE), said("never")) == said("new")
    assert model.asked == 2


async def test_streams_are_replayed_as_streams() -> None:
    """A stream's chunks come back line by line, and never as a whole answer."""
    cache, model = make_cache(MemoryAnswers()), Model()
    fresh = await model.through(cache, admission(ROUTE), stream=True)
    again = await model.through(cache, admission(ROUTE), stream=True)
    assert again.body.split(b"\n") == fresh.body.split(b"\n") == said_in_chunks("h", "i").body.split(b"\n")
    assert (await model.through(cache, admission(ROUTE))).body == said().body
    assert model.asked == 2


async def test_a_completion_that_the_provider_shall_store_is_not_answered_here() -> None:
    """`store` asks for an effect at the provider."""
    cache, model = make_cache(MemoryAnswers()), Model()
    call = with_fields(admission(ROUTE), store=True)
    await model.through(cache, call)
    await model.through(cache, call)
    assert model.asked == 2


async def test_a_hit_says_what_it_would_have_cost() -> None:
    """Provider, model, usage, finish and kind come back, so that a call can be billed nothing and say what it saved."""
    cache, model = make_cache(MemoryAnswers()), Model()
    await model.through(cache, admission(ROUTE))
    async with cache.slot(admission(ROUTE), stream=False) as slot:
        assert slot.hit == said()
        await slot.keep(said("not kept: it was a hit"))
    assert await model.through(cache, admission(ROUTE)) == said()
