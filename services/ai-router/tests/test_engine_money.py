"""Money in the engine: every hold ends exactly once, whatever happens, and refusals go to the next target."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from amas_ai_router.domain.errors import FailureReason, ModelCallError
from amas_chassis.errors import AmasError
from hypothesis import given, settings
from hypothesis import strategies as st

from .engine_fakes import Engine, admission, failure
from .fakes import chunk, refused


def test_a_budget_that_refuses_one_target_leaves_the_call_to_a_cheaper_one() -> None:
    """The refusal is named, and no provider was asked for it."""
    engine = Engine()
    engine.bill.refuses["a"] = "BUDGET_EXCEEDED"
    asked = engine.loop.run(engine.ask(admission("ab")))
    assert (asked.target.provider, asked.attempts, engine.failovers) == ("b", 1, ["a/m: BUDGET_EXCEEDED"])
    assert engine.providers.names == "b"


def test_when_the_budget_allows_no_target_its_own_error_comes() -> None:
    """With what is left and when it renews; nobody was asked, so the call may be repeated."""
    engine = Engine()
    engine.bill.refuses = {"a": "BUDGET_EXCEEDED", "b": "BUDGET_EXCEEDED"}
    with pytest.raises(AmasError) as caught:
        engine.loop.run(engine.ask(admission("ab")))
    assert (caught.value.reason, caught.value.metadata) == ("BUDGET_EXCEEDED", {"budget": "b"})
    assert not isinstance(caught.value, ModelCallError)


def test_budgets_that_do_not_answer_end_the_call() -> None:
    """Fail closed: without an answer no target is asked; after one was, nobody repeats the call blindly."""
    engine = Engine()
    engine.bill.refuses["a"] = "BUDGETS_UNAVAILABLE"
    with pytest.raises(AmasError) as caught:
        engine.loop.run(engine.ask(admission("ab")))
    assert caught.value.reason == "BUDGETS_UNAVAILABLE"
    assert engine.providers.asked == []
    engine = Engine()
    engine.providers.will("a", (0.0, failure()))
    engine.bill.refuses["b"] = "BUDGETS_UNAVAILABLE"
    with pytest.raises(ModelCallError):
        engine.loop.run(engine.ask(admission("ab")))
    assert engine.bill.summary() == [("a", "nothing")]


def test_a_bound_goes_out_with_the_request() -> None:
    """An answer cannot be larger than what is held for it; the request that came in is not changed."""
    engine = Engine()
    engine.bill.most = 64
    call = admission("a")
    engine.loop.run(engine.ask(call))
    assert engine.providers.sent[0]["most"] == 64
    assert "most" not in call.fields


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (failure(), "nothing"),
        (failure(FailureReason.RATE_LIMITED), "nothing"),
        (failure(FailureReason.KEY_REFUSED), "nothing"),
        (failure(FailureReason.SERVER_ERROR, status=500), "nothing"),
        (failure(FailureReason.SERVER_ERROR, status=504), "lost"),
        (failure(FailureReason.SERVER_ERROR), "lost"),
        (failure(FailureReason.TIMEOUT), "lost"),
        (failure(FailureReason.CONNECTION_LOST), "lost"),
        (failure(FailureReason.RESPONSE_INVALID), "lost"),
        (failure(FailureReason.RESPONSE_TOO_LARGE), "lost"),
        (refused(400), "nothing"),
        (RuntimeError("a fault of ours"), "lost"),
    ],
    ids=str,
)
def test_each_failure_ends_its_hold(error: Exception, end: str) -> None:
    """Free where the provider certainly did nothing, lost where it may have."""
    engine = Engine()
    engine.providers.will("a", (0.0, error))
    with pytest.raises((AmasError, RuntimeError)):
        engine.loop.run(engine.ask(admission("a", retry={"attempts": 1})))
    assert engine.bill.summary() == [("a", end)]


def test_no_attempt_begins_after_a_budget_that_took_all_the_time() -> None:
    """Then nothing was sent, and the hold is given back."""
    engine = Engine(left=1.0)
    engine.bill.seconds = 2.0
    with pytest.raises(AmasError) as caught:
        engine.loop.run(engine.ask(admission("ab")))
    assert caught.value.reason == "MODEL_TIMEOUT"
    assert engine.providers.asked == []
    assert engine.bill.summary() == [("a", "nothing")]


TIMES = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, 2.0, 11.0, 100.0])
RESULTS = st.sampled_from(
    [
        None,
        None,
        failure(),
        failure(FailureReason.RATE_LIMITED, retry_after=1.0),
        failure(FailureReason.SERVER_ERROR, status=500),
        failure(FailureReason.SERVER_ERROR, status=503, processed=False),
        failure(FailureReason.CONNECTION_LOST),
        refused(400),
        RuntimeError("a fault of ours"),
    ]
)
SCRIPTS = st.fixed_dictionaries({name: st.lists(st.tuples(TIMES, RESULTS), min_size=1, max_size=4) for name in "abc"})
SPECS = st.fixed_dictionaries(
    {
        "strategy": st.sampled_from(["priority", "weighted", "leastLatency"]),
        "breaker": st.sampled_from([{"failures": 1}, {"failures": 3}]),
        "retry": st.sampled_from([{"attempts": 1}, {"attempts": 3, "budget": "100%"}]),
    },
    optional={"hedge": st.just({"after": "500ms"}), "sticky": st.just("run")},
)


@settings(max_examples=250, deadline=None)
@given(
    scripts=SCRIPTS,
    spec=SPECS,
    streamed=st.booleans(),
    calls=st.integers(1, 4),
    cancel_after=st.one_of(st.none(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.6, 0.75, 1.0, 1.5])),
    seconds=st.sampled_from([0.0, 0.25]),
    left=st.sampled_from([None, 0.5, 3.0]),
    refusal=st.sampled_from([None, "BUDGET_EXCEEDED", "BUDGETS_UNAVAILABLE"]),
)
def test_every_hold_ends_exactly_once(
    scripts: dict[str, list[tuple[float, Any]]],
    spec: dict[str, Any],
    streamed: bool,
    calls: int,
    cancel_after: float | None,
    seconds: float,
    left: float | None,
    refusal: str | None,
) -> None:
    """I5: failures, hedges, retries, deadlines, clients that go away at any moment: nothing leaks, nothing ends twice.

    And no breaker is left with a probe that nobody makes: each target can be asked again after all rests.
    """
    engine = Engine(left=left)
    engine.bill.seconds = seconds
    if refusal is not None:
        engine.bill.refuses["b"] = refusal
    for name, steps in scripts.items():
        good = [chunk(), chunk("x")] if streamed else None
        engine.providers.will(name, *[(delay, good if result is None else result) for delay, result in steps])
    call = admission("abc", run="r", **spec)

    async def one() -> None:
        if streamed:
            opened = await engine.open(call)
            await opened.next()
            await opened.close()
        else:
            await engine.ask(call)

    async def story() -> None:
        tasks = [asyncio.ensure_future(one()) for _ in range(calls)]
        if cancel_after is not None:
            await asyncio.sleep(cancel_after)
            for task in tasks:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await engine.in_turn.drain()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert all(stream.closed for stream in engine.providers.streams)
        engine.bill.summary()
        engine.bill.refuses = {}
        engine.bill.seconds = 0.0
        await asyncio.sleep(1000.0)
        for target in call.route.targets:
            permit = engine.in_turn._breakers.of(target, call.route.spec.breaker.failures, 0.5, 10.0).permit(
                engine.loop.seconds
            )
            assert permit is not None

    engine.loop.run(story())
