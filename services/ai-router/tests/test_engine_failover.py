"""Which target is asked when: failover, retries, breakers, deadlines, sticky runs. In virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from amas_ai_router.domain.errors import AttemptError, FailureReason, ModelCallError
from amas_chassis.errors import AmasError, ErrorKind

from .engine_fakes import Engine, admission, failure
from .fakes import chunk, refused

BUSY = failure(FailureReason.SERVER_ERROR, status=503, processed=False)
BROKEN = failure(FailureReason.SERVER_ERROR, status=500)


def fails(engine: Engine, work: Coroutine[Any, Any, Any]) -> AmasError:
    with pytest.raises(AmasError) as caught:
        engine.loop.run(work)
    return caught.value


def test_a_refusing_target_costs_no_time() -> None:
    """The next target is asked at once: no wait before another target, and no second try before it."""
    engine = Engine()
    engine.providers.will("a", (0.0, failure()))
    asked = engine.loop.run(engine.ask(admission("ab")))
    assert (asked.target.provider, asked.attempts, engine.failovers) == ("b", 2, ["a/m: CONNECT_FAILED"])
    assert engine.loop.seconds == 0.0


def test_what_a_failover_cost_is_measured_and_only_where_there_was_one() -> None:
    """The objective is on the time until the target was asked that answered, not on its own time."""
    engine = Engine()
    engine.providers.will("a", (0.75, failure()))
    engine.providers.will("b", (2.0, None))

    async def both() -> None:
        await engine.ask(admission("ab"))
        await engine.ask(admission("b"))

    engine.loop.run(both())
    assert engine.metric("amas_router_failover_seconds_count") == 1.0
    assert engine.metric("amas_router_failover_seconds_sum") == pytest.approx(0.75)


@pytest.mark.parametrize("error", [failure(), failure(FailureReason.RATE_LIMITED), BUSY], ids=str)
def test_what_did_nothing_is_asked_again_after_all_others(error: Exception) -> None:
    """A failure before any work may pass: the target is asked again, after a wait and only when no other answered."""
    engine = Engine()
    engine.providers.will("a", (0.0, error), (0.0, None))
    engine.providers.will("b", (0.0, BROKEN))
    asked = engine.loop.run(engine.ask(admission("ab")))
    assert (engine.providers.names, asked.attempts) == ("aba", 3)
    assert 0.0 < engine.loop.seconds <= 0.1
    assert engine.metric("amas_router_retries_total", target="a/m") == 1.0


@pytest.mark.parametrize(
    "error", [BROKEN, failure(FailureReason.CONNECTION_LOST), failure(FailureReason.RESPONSE_INVALID)], ids=str
)
def test_what_may_have_worked_is_not_asked_again(error: Exception) -> None:
    """A second attempt could be billed twice."""
    engine = Engine()
    engine.providers.will("a", (0.0, error))
    fails(engine, engine.ask(admission("a", retry={"attempts": 5})))
    assert engine.providers.names == "a"


def test_one_target_is_asked_at_most_as_often_as_the_route_says() -> None:
    """All attempts count."""
    engine = Engine()
    engine.providers.will("a", (0.0, failure()))
    error = fails(engine, engine.ask(admission("a", retry={"attempts": 3, "budget": "100%"})))
    assert (engine.providers.names, error.reason) == ("aaa", "MODEL_UNAVAILABLE")
    assert isinstance(error, ModelCallError)


def test_retry_after_is_honoured_if_it_fits_into_the_time_left() -> None:
    """What the provider asked for, not sooner; and no waiting for what cannot be reached."""
    engine = Engine()
    engine.providers.will("a", (0.0, failure(FailureReason.RATE_LIMITED, retry_after=7.0)), (0.0, None))
    engine.loop.run(engine.ask(admission("a")))
    assert [at for _, at in engine.providers.asked] == [0.0, 7.0]
    engine = Engine(left=5.0)
    engine.providers.will("a", (0.0, failure(FailureReason.RATE_LIMITED, retry_after=7.0)), (0.0, None))
    error = fails(engine, engine.ask(admission("a")))
    assert (error.reason, error.retry_after, engine.loop.seconds) == ("MODEL_RATE_LIMITED", 7.0, 0.0)


def test_the_retry_budget_bounds_retries_but_not_failover() -> None:
    """In a storm each call still goes through all targets once; extra attempts are a share of calls."""
    engine = Engine()
    # One success in twenty keeps the breakers closed, so that nothing but the budget bounds.
    storm = [*[(0.0, failure())] * 19, (0.0, None)] * 100
    for name in "ab":
        engine.providers.will(name, *storm)
    call = admission("ab", breaker={"failures": 1000, "failureRate": "100%"}, retry={"attempts": 10, "budget": "10%"})
    found = engine.loop.run(engine.many(call, 300))
    extra = sum(engine.metric("amas_router_retries_total", target=f"{name}/m") for name in "ab")
    saved = 10 + engine.loop.seconds
    assert 0 < extra <= 0.1 * 300 + saved
    assert engine.providers.names.count("b") >= sum(at != "a" for at in found)


def test_a_target_that_keeps_failing_is_passed_over_and_comes_back() -> None:
    """After its failures nobody waits for it; after its rest one call looks, and then all go there again."""
    engine, call = Engine(), admission("ab", breaker={"failures": 3, "openFor": "10s"})
    engine.providers.will("a", *[(1.0, BROKEN)] * 3, (0.0, None))

    async def story() -> None:
        assert await engine.many(call, 3) == ["b", "b", "b"]
        at = engine.loop.seconds
        assert await engine.many(call, 5) == ["b"] * 5
        assert (engine.failovers, engine.loop.seconds) == (["a/m: CIRCUIT_OPEN"], at)
        await asyncio.sleep(11.0)
        assert await engine.many(call, 2) == ["a", "a"]

    engine.loop.run(story())
    changes = "amas_router_breaker_changes_total"
    assert [engine.metric(changes, target="a/m", state=state) for state in ("open", "half_open", "closed")] == [1] * 3
    assert engine.metric("amas_router_breaker_open", target="a/m") == 0.0


def test_when_all_targets_rest_the_first_to_wake_is_tried() -> None:
    """Rather than fail blindly; others are told when to come back."""
    engine, call = Engine(), admission("ab", breaker={"failures": 1}, retry={"attempts": 1})
    for name in "ab":
        engine.providers.will(name, (1.0, BROKEN), (1.0, None))

    async def story() -> None:
        assert await engine.many(call, 1) == ["MODEL_UNAVAILABLE"]
        first, second, third = await asyncio.gather(*(engine.ask(call) for _ in range(3)), return_exceptions=True)
        assert {getattr(each, "target").provider for each in (first, second)} == {"a", "b"}  # noqa: B009 - for mypy
        assert isinstance(third, AmasError)
        assert not isinstance(third, ModelCallError)
        assert (third.kind, third.reason) == (ErrorKind.UNAVAILABLE, "MODEL_UNAVAILABLE")
        assert third.retry_after is not None
        assert 0.0 < third.retry_after <= 11.0

    engine.loop.run(story())
    engine.bill.summary()


@pytest.mark.parametrize("cancelled_at", [0.5, 1.5], ids=["while budgets are asked", "while the target is asked"])
def test_a_probe_whose_client_goes_away_leaves_the_target_to_the_next(cancelled_at: float) -> None:
    """A target must not be locked out because nobody waited for its probe."""
    engine, call = Engine(), admission("ab", breaker={"failures": 1})
    engine.providers.will("a", (0.0, BROKEN), (5.0, None), (0.0, None))

    async def story() -> list[str]:
        await engine.many(call, 1)
        await asyncio.sleep(12.0)
        engine.bill.seconds = 1.0
        probe = asyncio.ensure_future(engine.ask(call))
        await asyncio.sleep(cancelled_at)
        probe.cancel()
        await asyncio.wait([probe])
        if cancelled_at < 1.0:
            engine.providers.script["a"].pop(0)
        return await engine.many(call, 2)

    assert engine.loop.run(story()) == ["a", "a"]


def test_a_callers_mistake_is_no_failure_of_the_target() -> None:
    """Nobody can open a breaker for others by bad requests."""
    engine, call = Engine(), admission("ab", breaker={"failures": 1})
    engine.providers.will("a", (0.0, refused(400)))
    assert engine.loop.run(engine.many(call, 3)) == ["PROVIDER_REJECTED"] * 3
    assert engine.providers.names == "aaa"


def test_a_callers_short_deadline_is_no_failure_of_the_target() -> None:
    """Nor by deadlines that nobody could keep; and no attempt begins when the time is over."""
    engine, call = Engine(left=0.5), admission("ab", breaker={"failures": 1})
    engine.providers.will("a", (5.0, None))
    assert engine.loop.run(engine.many(call, 3)) == ["MODEL_TIMEOUT"] * 3
    assert (engine.providers.names, engine.loop.seconds) == ("aaa", 1.5)


def test_without_time_nobody_is_asked() -> None:
    """A call that came too late ends at once."""
    engine = Engine(left=0.0)
    error = fails(engine, engine.ask(admission("ab")))
    assert (error.reason, error.kind) == ("MODEL_TIMEOUT", ErrorKind.DEADLINE_EXCEEDED)
    assert engine.providers.asked == []
    assert engine.bill.summary() == []


def test_the_route_bounds_all_attempts_together() -> None:
    """Two hung targets cost the route's total, not the sum of theirs."""
    engine = Engine()
    for name in "ab":
        engine.providers.will(name, (1000.0, None))
    error = fails(engine, engine.ask(admission("ab", timeout={"total": "90s"})))
    assert (error.reason, engine.loop.seconds) == ("MODEL_TIMEOUT", 90.0)


def test_a_hung_stream_is_left_after_its_time_for_the_first_token() -> None:
    """Headers and first token share one time-out, and the hung stream is closed."""
    engine = Engine()

    async def hang() -> None:
        await asyncio.sleep(1000.0)

    engine.providers.will("a", (4.0, [chunk(), hang]))
    engine.providers.will("b", (0.0, [chunk("hi")]))
    opened = engine.loop.run(engine.open(admission("ab")))
    assert (opened.target.provider, engine.loop.seconds) == ("b", 10.0)
    assert engine.providers.streams[0].closed
    assert engine.bill.summary() == [("a", "lost"), ("b", "taken")]


def test_streams_that_break_after_their_first_token_open_the_breaker() -> None:
    """A target whose streams all die is an outlier, although each began well."""
    engine, call = Engine(), admission("ab", breaker={"failures": 3})
    engine.providers.will("a", (0.0, [chunk("x"), failure(FailureReason.CONNECTION_LOST)]))
    engine.providers.will("b", (0.0, [chunk("y")]))

    async def story() -> list[str]:
        found = []
        for _ in range(4):
            opened = await engine.open(call)
            found.append(opened.target.provider)
            with_error = opened.target.provider == "a"
            assert (await opened.next()) is not None
            if with_error:
                with pytest.raises(Exception, match="CONNECTION_LOST"):
                    await opened.next()
            await opened.close()
        return found

    assert engine.loop.run(story()) == ["a", "a", "a", "b"]


def test_a_run_stays_with_the_target_that_answered_first() -> None:
    """Also when another one comes first by then; when it fails the run moves and stays there."""
    engine = Engine()
    call = admission("ab", run="r1", sticky="run")
    engine.providers.will("a", (0.0, BROKEN), (0.0, None))
    engine.providers.will("b", (0.0, None), (0.0, None), (0.0, BROKEN), (0.0, None))
    assert engine.loop.run(engine.many(call, 5)) == ["b", "b", "a", "a", "a"]


def test_another_router_sends_a_run_to_the_same_target() -> None:
    """Without talking: the order of a weighted route follows from the run."""
    runs = [f"run-{number}" for number in range(20)]
    routers = []
    for _ in range(2):
        engine = Engine()

        async def story(engine: Engine = engine) -> list[str]:
            calls = [admission("abc", run=run, sticky="run", strategy="weighted") for run in runs]
            return [(await engine.ask(call)).target.provider for call in calls]

        routers.append(engine.loop.run(story()))
    assert routers[0] == routers[1]
    assert len(set(routers[0])) == 3


@pytest.mark.parametrize("reason", [FailureReason.RESPONSE_TOO_LARGE, FailureReason.API_UNSUPPORTED])
def test_what_a_request_brings_about_opens_no_breaker(reason: FailureReason) -> None:
    """Else one tenant could take a target from all others by asking for what it cannot give."""
    engine = Engine()
    engine.providers.will("a", *[(0.0, failure(reason))] * 30, (0.0, None))
    route = admission("ab", breaker={"failures": 2, "failureRate": "50%", "openFor": "60s"})
    assert engine.loop.run(engine.many(route, 31)) == ["b"] * 30 + ["a"]


def test_a_stream_that_grows_too_long_opens_no_breaker() -> None:
    """How long an answer gets is the caller's wish."""
    engine = Engine()
    long = [chunk("x" * 6_000), chunk("x" * 6_000)]
    engine.providers.will("a", (0.0, long))

    async def broken() -> str:
        opened = await engine.open(admission("ab", breaker={"failures": 2}))
        try:
            while await opened.next() is not None:
                pass
        except AttemptError as error:
            return f"{opened.target.provider}: {error.reason}"
        finally:
            await opened.close()
        return opened.target.provider

    async def several() -> list[str]:
        return [await broken() for _ in range(4)]

    assert engine.loop.run(several()) == ["a: MODEL_RESPONSE_TOO_LARGE"] * 4
