"""StreamComplete over fakes: failover before the first token, honesty after it, records on both ends."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from amas_ai_router.domain.errors import AttemptError, FailureReason, ModelCallError
from amas_ai_router.domain.records import MODEL_CALLED, MODEL_REFUSED, STREAM_STARTED
from amas_chassis.clock import SystemClock
from amas_chassis.errors import AmasError

from .fakes import MESSAGES, ONE_CALL_COST, USAGE_CHUNK, FakeStream, ListSink, Router, chunk, lost, make_bundle
from .virtual_time import VirtualLoop

GOOD = (chunk(), chunk("hel"), chunk("lo"), chunk("", finish="stop"), USAGE_CHUNK)


async def test_chunks_are_passed_on_and_the_report_has_the_usage(router: Router) -> None:
    """The text is whole; the usage chunk stays inside, since the caller did not ask for it."""
    stream = FakeStream(GOOD)
    router.providers.will("p0/m", stream)
    sink = ListSink()
    end = await router.do.stream_complete.run(router.request(), sink)
    assert (sink.text, end.reason) == ("hello", "")
    assert USAGE_CHUNK not in sink.chunks
    assert end.report.usage.cost == ONE_CALL_COST
    assert stream.closed
    _, sent = router.providers.asked[0]
    assert (sent["stream"], sent["stream_options"]) == (True, {"include_usage": True})


async def test_a_caller_that_asks_for_usage_gets_the_chunk(router: Router) -> None:
    """`stream_options.include_usage` works as OpenAI says."""
    router.providers.will("p0/m", FakeStream(GOOD))
    sink = ListSink()
    body = orjson.dumps({"messages": MESSAGES, "stream_options": {"include_usage": True, "other": 1}})
    await router.do.stream_complete.run(router.request(body), sink)
    assert sink.chunks[-1] == USAGE_CHUNK
    assert router.providers.asked[0][1]["stream_options"] == {"include_usage": True, "other": 1}


@pytest.mark.parametrize(
    "steps",
    [
        [lost()],
        [chunk(), lost()],
        [chunk()],
        [b"{nonsense"],
        [b'{"error": {"message": "overloaded"}}'],
        [b"[]"],
        [b'{"object": "chunk"}'],
    ],
    ids=["lost", "lost-after-role", "ended", "invalid", "error-event", "no-object", "no-choices"],
)
async def test_a_stream_that_dies_before_its_first_token_fails_over(router: Router, steps: list[Any]) -> None:
    """The caller sees one good stream, from the second target, and nothing of the first."""
    dead = FakeStream(steps)
    router.providers.will("p0/m", dead)
    router.providers.will("p1/m", FakeStream(GOOD))
    sink = ListSink()
    end = await router.do.stream_complete.run(router.request(), sink)
    assert (sink.text, end.report.provider, end.report.attempts) == ("hello", "p1", 2)
    assert dead.closed


async def test_a_first_token_that_does_not_come_in_time_fails_over() -> None:
    """The time-out for the first token counts from the request, role chunks notwithstanding."""
    router = await Router(bundle=make_bundle(hurried=[0])).load()
    router.providers.will("p0/m", FakeStream([chunk(), asyncio.Event().wait]))
    router.providers.will("p1/m", FakeStream(GOOD))
    end = await router.do.stream_complete.run(router.request(), ListSink())
    assert end.report.failovers == ("p0/m: TIMEOUT",)


async def test_a_break_after_the_first_token_is_told_with_what_was_billed(router: Router) -> None:
    """No second model goes on with another's sentence; what was delivered is in ledger and audit."""
    router.providers.will("p0/m", FakeStream([chunk("half of it"), lost()]))
    sink = ListSink()
    end = await router.do.stream_complete.run(router.request(idempotency_key="k"), sink)
    assert (end.reason, sink.text) == ("CONNECTION_LOST", "half of it")
    assert router.asked == ["p0/m"]
    assert end.report.usage.tokens.estimated
    assert end.report.usage.tokens.output > 0
    assert [record.outcome for record in router.ledger.calls] == ["broken"]
    assert router.audit.data(MODEL_CALLED)[0]["outcome"] == "broken"
    assert router.ledger.kept == {}, "a broken answer must not be given again"


def test_the_total_time_out_breaks_a_stream_that_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that began in time must also end in time."""
    loop = VirtualLoop()
    monkeypatch.setattr(SystemClock, "monotonic", lambda _: loop.monotonic())

    async def streamed() -> Any:
        router = await Router().load()
        router.providers.will("p0/m", FakeStream([chunk("a"), asyncio.Event().wait]))
        return await router.do.stream_complete.run(router.request(), ListSink())

    assert loop.run(streamed()).reason == "TIMEOUT"


async def test_an_endless_stream_is_cut_at_the_bound(router: Router) -> None:
    """More than the allowed bytes are not passed on."""
    router.providers.will("p0/m", FakeStream([chunk("x" * 10_000)] * 20))
    sink = ListSink()
    end = await router.do.stream_complete.run(router.request(), sink)
    assert end.reason == "MODEL_RESPONSE_TOO_LARGE"
    assert sum(map(len, sink.chunks)) <= router.max_response_bytes


async def test_the_start_is_on_record_before_the_first_chunk_leaves(router: Router) -> None:
    """Nothing is delivered unless audit knows of it."""
    router.providers.will("p0/m", FakeStream(GOOD))
    seen: list[list[str]] = []

    async def look() -> None:
        seen.append([event.type for event in router.audit.events.values()])

    await router.do.stream_complete.run(router.request(), ListSink(look))
    assert seen[0] == [STREAM_STARTED]
    assert [event.type for event in router.audit.events.values()] == [STREAM_STARTED, MODEL_CALLED]


async def test_without_audit_no_chunk_is_delivered(router: Router) -> None:
    """Fail closed, and give the provider's connection up."""
    stream = FakeStream(GOOD)
    router.providers.will("p0/m", stream)
    router.audit.away = True
    sink = ListSink()
    with pytest.raises(ModelCallError) as caught:
        await router.do.stream_complete.run(router.request(), sink)
    assert caught.value.reason == "AUDIT_UNAVAILABLE"
    assert sink.chunks == []
    assert stream.closed


async def test_an_end_that_cannot_be_recorded_is_no_good_end(router: Router) -> None:
    """When audit goes away in the middle, the last message says so."""
    router.providers.will("p0/m", FakeStream(GOOD))

    async def audit_goes() -> None:
        router.audit.away = True

    end = await router.do.stream_complete.run(router.request(), ListSink(audit_goes))
    assert end.reason == "AUDIT_UNAVAILABLE"


async def test_when_no_target_begins_the_refusal_is_on_record(router: Router) -> None:
    """The same error and the same record as for whole answers."""
    for target in ("p0/m", "p1/m"):
        router.providers.will(target, AttemptError(FailureReason.SERVER_ERROR, "test"))
    with pytest.raises(ModelCallError):
        await router.do.stream_complete.run(router.request(), ListSink())
    (data,) = router.audit.data(MODEL_REFUSED)
    assert len(data["failovers"]) == 2


async def test_a_client_that_goes_away_ends_the_stream_and_pays_for_what_it_got(router: Router) -> None:
    """The provider's connection is closed at once; ledger and audit hold what was delivered."""
    waiting = asyncio.Event()

    async def hang() -> None:
        waiting.set()
        await asyncio.Event().wait()

    stream = FakeStream([chunk("some text"), hang])
    router.providers.will("p0/m", stream)
    call = asyncio.create_task(router.do.stream_complete.run(router.request(), ListSink()))
    await waiting.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await router.drain()
    assert stream.closed
    assert [record.outcome for record in router.ledger.calls] == ["cancelled"]
    assert router.audit.data(MODEL_CALLED)[0]["outcome"] == "cancelled"


async def test_the_same_key_replays_the_stream_as_a_stream(router: Router) -> None:
    """Same chunks, one provider call, one row; the whole answer under the same key is another request."""
    router.providers.will("p0/m", FakeStream(GOOD))
    first, second = ListSink(), ListSink()
    await router.do.stream_complete.run(router.request(idempotency_key="k"), first)
    end = await router.do.stream_complete.run(router.request(idempotency_key="k"), second)
    assert second.chunks == first.chunks
    assert end.report.replayed
    assert len(router.asked) == len(router.ledger.calls) == 1
    with pytest.raises(AmasError) as caught:
        await router.do.complete.run(router.request(idempotency_key="k"))
    assert caught.value.reason == "IDEMPOTENCY_KEY_REUSED"


async def test_tool_calls_count_as_a_first_token(router: Router) -> None:
    """A stream that begins with a tool call has begun."""
    call = {"index": 0, "id": "c", "function": {"name": "git__git_log", "arguments": "{}"}}
    begun = orjson.dumps({"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]})
    router.providers.will("p0/m", FakeStream([begun, lost()]))
    end = await router.do.stream_complete.run(router.request(), ListSink())
    assert end.reason == "CONNECTION_LOST"
    assert router.asked == ["p0/m"]
