"""Requests while no orchestrator answers: held within bounds, counted, and answered once somebody came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from amas_chassis import deadlines
from amas_chassis.clock import ManualClock, SystemClock
from amas_chassis.errors import AmasError, ErrorKind
from amas_gateway.adapters.hold import RETRY_AFTER_SECONDS, Hold
from amas_gateway.adapters.orchestrator_calls import RENEW_SECONDS
from amas_gateway.adapters.upstream import AWAY, LATE
from amas_gateway.telemetry import Instruments
from prometheus_client import CollectorRegistry

from .held import StubClient, orchestrator_calls

# Nothing here waits for so long: whoever is held so long hangs, and pytest's time-out says so.
LONG = 600.0
TENANT = "acme"


class Orchestrator:
    """Answers, or fails as it is told."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: AmasError | None = failure(AWAY)

    async def __call__(self) -> int:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.asked


class Measured:
    """A hold and what its metrics say."""

    def __init__(self, *, seconds: float = LONG, most: int = 8) -> None:
        self.registry = CollectorRegistry()
        self.hold = Hold(Instruments(self.registry), SystemClock(), seconds=seconds, most=most)

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"amas_gateway_{name}", labels) or 0.0

    async def until(self, condition: Callable[[], bool]) -> None:
        while True:
            if condition():
                return
            await asyncio.sleep(0)


def failure(reason: str, kind: ErrorKind = ErrorKind.UNAVAILABLE) -> AmasError:
    return AmasError(kind, reason, "away")


async def test_without_a_hold_the_error_is_the_answer() -> None:
    """The default: whoever finds nobody is told so at once, and nothing is asked twice."""
    measured, orchestrator = Measured(seconds=0), Orchestrator()
    measured.hold.left()
    with pytest.raises(AmasError) as refused:
        await measured.hold(TENANT, orchestrator)
    assert (refused.value.reason, orchestrator.asked) == (AWAY, 1)
    assert measured.metric("requests_held") == 0


async def test_who_is_held_is_told_when_the_process_ends() -> None:
    """At once, for the hold may last longer than the drain; and nobody is held any more."""
    measured, orchestrator = Measured(), Orchestrator()
    measured.hold.left()
    held = asyncio.create_task(measured.hold(TENANT, orchestrator))
    await measured.until(lambda: measured.metric("requests_held") == 1)
    await measured.hold.end()
    for call in (held, measured.hold(TENANT, orchestrator)):
        with pytest.raises(AmasError) as told:
            await call
        assert (told.value.reason, told.value.retry_after) == (AWAY, RETRY_AFTER_SECONDS)
    assert orchestrator.asked == 0
    assert measured.metric("requests_held") == 0


async def test_who_asks_again_while_the_process_ends_is_not_held_anew() -> None:
    """Somebody came and was gone again: the end has been told to all that wait, and nobody would wake this one."""
    measured, orchestrator = Measured(), Orchestrator()
    measured.hold.left()
    going = asyncio.Event()

    async def ask() -> int:
        await going.wait()
        return await orchestrator()

    held = asyncio.create_task(measured.hold(TENANT, ask))
    await measured.until(lambda: measured.metric("requests_held") == 1)
    measured.hold.came()
    await asyncio.sleep(0)
    await measured.hold.end()
    going.set()
    with pytest.raises(AmasError) as told:
        await held
    assert (told.value.reason, told.value.retry_after) == (AWAY, RETRY_AFTER_SECONDS)


async def test_held_until_somebody_came_and_counted_meanwhile() -> None:
    """All that wait are answered, also if who came was gone again before the first of them asked."""
    measured, orchestrator = Measured(), Orchestrator()
    measured.hold.came()
    measured.hold.left()
    held = [asyncio.create_task(measured.hold(TENANT, orchestrator)) for _ in range(3)]
    await measured.until(lambda: measured.metric("requests_held") == 3)
    assert measured.metric("orchestrator_wanted") == 3
    assert orchestrator.asked == 0, "who waits asks nobody before somebody came"
    measured.hold.came()
    await measured.until(lambda: orchestrator.asked == 3)
    assert not any(task.done() for task in held)
    orchestrator.error = None
    measured.hold.came()
    assert sorted(await asyncio.gather(*held)) == [4, 5, 6]
    assert measured.metric("requests_held") == 0
    assert measured.metric("orchestrator_wanted") == 0
    assert measured.metric("holds_total", outcome="answered") == 3
    assert measured.metric("orchestrator_needed_total") == 3


async def test_whoever_finds_nobody_first_is_held_too() -> None:
    """A request may be the first to notice that the last orchestrator has gone."""
    measured, orchestrator = Measured(), Orchestrator()
    held = asyncio.create_task(measured.hold(TENANT, orchestrator))
    await measured.until(lambda: measured.metric("requests_held") == 1)
    orchestrator.error = None
    measured.hold.came()
    assert await held == 2


@pytest.mark.parametrize("reason", ["QUOTA_EXHAUSTED", "SCHEMA_MISMATCH", LATE])
async def test_what_a_service_said_is_never_asked_again(reason: str) -> None:
    """An orchestrator that is there and refuses, or is slow, is no reason to wait for another."""
    measured, orchestrator = Measured(), Orchestrator()
    orchestrator.error = failure(reason)
    with pytest.raises(AmasError, match="away"):
        await measured.hold(TENANT, orchestrator)
    assert orchestrator.asked == 1


async def test_more_than_the_bound_are_refused_with_a_time_to_come_back() -> None:
    """Held requests cannot exhaust the gateway; who goes makes room."""
    measured, orchestrator = Measured(most=2), Orchestrator()
    measured.hold.left()
    held = [asyncio.create_task(measured.hold(tenant, orchestrator)) for tenant in ("a", "b")]
    await measured.until(lambda: measured.metric("requests_held") == 2)
    with pytest.raises(AmasError) as refused:
        await measured.hold("c", orchestrator)
    assert (refused.value.kind, refused.value.retry_after) == (ErrorKind.UNAVAILABLE, RETRY_AFTER_SECONDS)
    assert measured.metric("holds_total", outcome="refused") == 1
    held[0].cancel()
    await asyncio.gather(held[0], return_exceptions=True)
    assert measured.metric("holds_total", outcome="left") == 1
    third = asyncio.create_task(measured.hold("c", orchestrator))
    await measured.until(lambda: measured.metric("requests_held") == 2)
    orchestrator.error = None
    measured.hold.came()
    await asyncio.gather(held[1], third)


async def test_no_tenant_takes_more_than_half_of_the_places() -> None:
    """I8: another's requests are held all the same; and a single place is anybody's."""
    measured, orchestrator = Measured(most=4), Orchestrator()
    measured.hold.left()
    held = [asyncio.create_task(measured.hold(TENANT, orchestrator)) for _ in range(3)]
    await measured.until(lambda: any(task.done() for task in held))
    held.append(asyncio.create_task(measured.hold("globex", orchestrator)))
    await measured.until(lambda: measured.metric("requests_held") == 3)
    assert measured.metric("holds_total", outcome="refused") == 1
    orchestrator.error = None
    measured.hold.came()
    answers = await asyncio.gather(*held, return_exceptions=True)
    assert [isinstance(answer, AmasError) for answer in answers] == [False, False, True, False]
    orchestrator.error = failure(AWAY)
    measured.hold.left()
    again = asyncio.create_task(measured.hold(TENANT, orchestrator))
    await measured.until(lambda: measured.metric("requests_held") == 1)
    again.cancel()

    single = Measured(most=1)
    single.hold.left()
    alone = asyncio.create_task(single.hold(TENANT, orchestrator))
    await single.until(lambda: single.metric("requests_held") == 1)
    alone.cancel()
    await asyncio.gather(again, alone, return_exceptions=True)


@pytest.mark.parametrize(("seconds", "own"), [(0.01, None), (LONG, 0.01)])
async def test_the_bound_and_the_callers_own_deadline_end_it(seconds: float, own: float | None) -> None:
    """Whichever is sooner: 503 with a time to come back."""
    measured, orchestrator = Measured(seconds=seconds), Orchestrator()
    measured.hold.left()
    with deadlines.limited(own), pytest.raises(AmasError) as refused:
        await measured.hold(TENANT, orchestrator)
    assert (refused.value.reason, refused.value.retry_after) == (AWAY, RETRY_AFTER_SECONDS)
    assert orchestrator.asked == 0
    assert measured.metric("holds_total", outcome="expired") == 1


async def test_a_gateway_that_heard_of_none_yet_wants_one() -> None:
    """It is not ready, so that no request can ask for one: else gateway and orchestrator would wait for each other."""
    measured = Measured()
    assert measured.metric("orchestrator_wanted") == 1
    measured.hold.came()
    measured.hold.came()
    assert measured.metric("orchestrator_wanted") == 0


async def test_a_look_tells_who_is_held_and_tries_new_channels() -> None:
    """Each look is made once; a channel on which nobody answers for a while is replaced, again and again."""
    measured, orchestrator, clock = Measured(), Orchestrator(), ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    client = StubClient(orchestrator)
    calls = orchestrator_calls(client, clock, measured.hold)

    async def look(times: int) -> None:
        for _ in range(times):
            with pytest.raises(AmasError):
                await calls.look(lambda stub: stub())
            clock.advance(RENEW_SECONDS / 4)

    await look(4)
    held = asyncio.create_task(calls.ask(TENANT, lambda stub: stub()))
    await measured.until(lambda: measured.metric("requests_held") == 1)
    assert client.renewed == 0
    await look(1)
    assert client.renewed == 1
    await look(4)
    assert client.renewed == 2
    orchestrator.error = None
    assert await calls.look(lambda stub: stub()) == 10
    assert await held == 11


async def test_late_is_gone_only_after_a_while_and_an_error_of_its_own_is_an_answer() -> None:
    """A busy orchestrator is asked all the same; one that says that it cannot serve is told to whoever waits."""
    measured, orchestrator, clock = Measured(), Orchestrator(), ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    client = StubClient(orchestrator)
    calls = orchestrator_calls(client, clock, measured.hold)
    orchestrator.error = failure(LATE, ErrorKind.DEADLINE_EXCEEDED)
    for look in range(2):
        with pytest.raises(AmasError):
            await calls.look(lambda stub: stub())
        if look == 0:
            with pytest.raises(AmasError) as late:
                await calls.ask(TENANT, lambda stub: stub())
            assert late.value.reason == LATE
        clock.advance(RENEW_SECONDS)
    held = asyncio.create_task(calls.ask(TENANT, lambda stub: stub()))
    await measured.until(lambda: measured.metric("requests_held") == 1)
    assert client.renewed == 0
    orchestrator.error = failure("SCHEMA_MISMATCH", ErrorKind.FAILED_PRECONDITION)
    with pytest.raises(AmasError):
        await calls.look(lambda stub: stub())
    with pytest.raises(AmasError) as told:
        await held
    assert told.value.reason == "SCHEMA_MISMATCH"
