"""Hedges: a second target beside a slow one, the first good answer wins, and the loser costs no more than it must."""

from __future__ import annotations

import asyncio

import pytest
from amas_ai_router.domain.errors import FailureReason
from amas_chassis.errors import AmasError

from .engine_fakes import Engine, admission, failure
from .fakes import chunk, refused

AFTER = {"after": "500ms"}


def test_a_hung_target_costs_the_hedge_delay() -> None:
    """The second answers, the first is cancelled at once, and what it may have used is billed."""
    engine = Engine()
    engine.providers.will("a", (1000.0, None))
    asked = engine.loop.run(engine.ask(admission("ab", hedge=AFTER)))
    assert (asked.target.provider, asked.attempts, engine.failovers) == ("b", 2, ["a/m: OUTPACED"])
    assert engine.loop.seconds == 0.5
    assert engine.providers.cancelled["a"] == 1
    assert engine.bill.summary() == [("a", "lost"), ("b", "taken")]
    assert engine.metric("amas_router_hedges_total", target="b/m", won="true") == 1.0


def test_the_first_target_may_still_win() -> None:
    """Then the hedge is cancelled and billed as lost."""
    engine = Engine()
    engine.providers.will("a", (0.7, None))
    engine.providers.will("b", (1.0, None))
    asked = engine.loop.run(engine.ask(admission("ab", hedge=AFTER)))
    assert (asked.target.provider, engine.failovers, engine.loop.seconds) == ("a", [], 0.7)
    assert engine.bill.summary() == [("a", "taken"), ("b", "lost")]
    assert engine.metric("amas_router_hedges_total", target="b/m", won="false") == 1.0


def test_a_fast_answer_and_a_single_target_need_no_hedge() -> None:
    """Nothing is asked twice for nothing."""
    engine = Engine()
    engine.providers.will("a", (0.4, None))
    engine.loop.run(engine.ask(admission("ab", hedge=AFTER)))
    assert engine.providers.names == "a"
    engine = Engine()
    engine.providers.will("a", (5.0, None))
    engine.loop.run(engine.ask(admission("a", hedge=AFTER)))
    assert engine.providers.names == "a"


def test_there_is_at_most_one_hedge_a_call() -> None:
    """Three slow targets: two are asked, the third only if both fail."""
    engine = Engine()
    engine.providers.will("a", (5.0, None))
    engine.providers.will("b", (6.0, None))
    engine.loop.run(engine.ask(admission("abc", hedge=AFTER)))
    assert engine.providers.names == "ab"


def test_when_both_fail_the_next_target_is_asked() -> None:
    """A race that nobody wins is a failover like any other."""
    engine = Engine()
    engine.providers.will("a", (2.0, failure(FailureReason.CONNECTION_LOST)))
    engine.providers.will("b", (1.0, failure(FailureReason.SERVER_ERROR, status=500)))
    asked = engine.loop.run(engine.ask(admission("abc", hedge=AFTER)))
    assert (asked.target.provider, engine.loop.seconds) == ("c", 2.0)
    assert engine.bill.summary() == [("a", "lost"), ("b", "nothing"), ("c", "taken")]


def test_a_failing_hedge_leaves_the_first_target_in_the_race() -> None:
    """Also when the hedge takes the request for a mistake: the first target may think otherwise."""
    engine = Engine()
    engine.providers.will("a", (2.0, None))
    engine.providers.will("b", (0.0, refused(400)))
    assert engine.loop.run(engine.ask(admission("ab", hedge=AFTER))).target.provider == "a"
    engine = Engine()
    engine.providers.will("a", (2.0, failure(FailureReason.CONNECTION_LOST)))
    engine.providers.will("b", (0.0, refused(400)))
    with pytest.raises(AmasError) as caught:
        engine.loop.run(engine.ask(admission("ab", hedge=AFTER)))
    assert caught.value.reason == "PROVIDER_REJECTED"


def test_two_results_at_the_same_moment() -> None:
    """The first target's is taken; the other one's was used, so it is billed as what it reports."""
    engine = Engine()
    engine.providers.will("a", (1.0, None))
    engine.providers.will("b", (0.5, None))
    asked = engine.loop.run(engine.ask(admission("ab", hedge=AFTER)))
    assert asked.target.provider == "a"
    assert engine.bill.summary() == [("a", "taken"), ("b", "lost")]


def test_a_percentile_hedges_only_once_it_is_known() -> None:
    """The live distribution decides: nothing at first, then just above what is usual."""
    engine, call = Engine(), admission("ab", hedge={"after": "p90"})
    engine.providers.will("a", *[(0.1, None)] * 30, (50.0, None))

    async def story() -> None:
        assert await engine.many(call, 30) == ["a"] * 30
        at = engine.loop.seconds
        assert await engine.many(call, 1) == ["b"]
        assert engine.loop.seconds - at == pytest.approx(0.1, rel=0.1)

    engine.loop.run(story())


def test_hedges_draw_on_the_retry_budget() -> None:
    """Without a budget there is none; with one they are a share of calls."""
    engine = Engine()
    engine.providers.will("a", (2.0, None))
    engine.loop.run(engine.many(admission("ab", hedge=AFTER, retry={"budget": "0%"}), 3))
    assert engine.providers.names == "aaa"


def test_a_target_that_loses_race_after_race_is_passed_over() -> None:
    """A hung target costs a few hedge delays, then nothing: hedges alone would use the retry budget up."""
    engine, call = Engine(), admission("ab", hedge=AFTER, breaker={"failures": 3})
    engine.providers.will("a", (1000.0, None))
    assert engine.loop.run(engine.many(call, 6)) == ["b"] * 6
    assert engine.providers.names == "abababbbb"
    assert engine.loop.seconds == 1.5


def test_a_stream_is_hedged_on_its_first_token() -> None:
    """Headers are no answer; the loser is closed, the winner is not."""
    engine = Engine()

    async def slow() -> None:
        await asyncio.sleep(5.0)

    engine.providers.will("a", (0.0, [chunk(), slow, chunk("late")]))
    engine.providers.will("b", (0.1, [chunk(), chunk("hi"), chunk(" you")]))

    async def story() -> list[bytes]:
        opened = await engine.open(admission("ab", hedge=AFTER))
        assert (opened.target.provider, opened.attempts, engine.loop.seconds) == ("b", 2, 0.6)
        chunks = []
        while (found := await opened.next()) is not None:
            chunks.append(found.data)
        await engine.in_turn.drain()
        assert [stream.closed for stream in engine.providers.streams] == [True, False]
        await opened.close()
        return chunks

    assert engine.loop.run(story()) == [chunk(), chunk("hi"), chunk(" you")]


def test_a_stream_that_lost_with_a_token_is_billed_with_it_and_closed() -> None:
    """Both begin at the same moment: one is the caller's, the other was used."""
    engine = Engine()
    engine.providers.will("a", (1.0, [chunk("a" * 400)]))
    engine.providers.will("b", (0.5, [chunk("b" * 400)]))
    opened = engine.loop.run(engine.open(admission("ab", hedge=AFTER)))
    assert opened.target.provider == "a"
    assert [stream.closed for stream in engine.providers.streams].count(True) == 1
    ((provider, tokens),) = engine.bill.tokens
    assert (provider, tokens.output) == ("b", 100)
