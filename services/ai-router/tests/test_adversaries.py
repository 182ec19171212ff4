"""What a caller, a provider or bad luck may try against budgets, records and the other tenants."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from amas_ai_router.domain.bodies import parse_answer
from amas_ai_router.domain.errors import AttemptError, FailureReason
from amas_ai_router.domain.model import Operation, ProviderAnswer
from amas_ai_router.domain.records import LOST, MODEL_CALLED, OK
from amas_ai_router.domain.response_rules import make_guard
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.resources import ResponseRules

from .fakes import MESSAGES, ONE_CALL_COST, USAGE_CHUNK, FakeStream, ListSink, Router, answer, chunk, make_bundle
from .memory_stores import MemoryBudgets, MemoryLedger

BUDGET = {
    "kind": "Budget",
    "metadata": {"name": "daily"},
    "spec": {"subject": {"tenant": "acme"}, "window": "day", "cost": {"amount": "1", "currency": "USD"}},
}
WRITER = {
    "kind": "AgentRole",
    "metadata": {"name": "writer"},
    "spec": {
        "version": "1.0.0",
        "purpose": "Writes.",
        "model": {"route": "default", "audit": "content"},
        "instructions": "Write.",
        "input": {"schema": {"type": "object"}},
        "output": {"schema": {"type": "object"}},
    },
}


async def test_the_contents_of_a_stream_are_audited_where_the_role_says_so() -> None:
    """Also where nothing else keeps its chunks: neither a key nor a cache."""
    router = await Router(bundle=make_bundle(more=[WRITER])).load()
    given = [chunk("he"), chunk("llo", finish="stop")]
    router.providers.will("p0/m", FakeStream([*given, USAGE_CHUNK]))
    sink = ListSink()
    await router.do.stream_complete.run(router.request(role="writer"), sink)
    (data,) = router.audit.data(MODEL_CALLED)
    assert data["response"].encode() == b"\n".join(sink.chunks)


async def test_two_replicas_that_ask_for_one_key_are_both_billed() -> None:
    """One answer stands under the key, but two calls were made: budgets and ledger count the same, and audit knows."""
    ledger, budgets = MemoryLedger(), MemoryBudgets()
    routers = [await Router(bundle=make_bundle(more=[BUDGET]), ledger=ledger, budgets=budgets).load() for _ in range(2)]
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> Any:
        asked.set()
        await go_on.wait()
        return answer("second")

    routers[1].providers.will("p0/m", slow)
    loser = asyncio.create_task(routers[1].do.complete.run(routers[1].request(idempotency_key="k")))
    await asked.wait()
    first, _ = await routers[0].do.complete.run(routers[0].request(idempotency_key="k"))
    go_on.set()
    body, report = await loser
    assert (body, report.replayed) == (first, True)
    assert ledger.outcomes() == [("p0", LOST), ("p0", OK)]
    assert sum(record.report.usage.cost for record in ledger.calls) == 2 * ONE_CALL_COST
    assert sum(spent.cost for _, spent in budgets.settled) == 2 * ONE_CALL_COST
    assert [data["outcome"] for data in routers[1].audit.data(MODEL_CALLED)] == [LOST, OK]


SECRET = "AKIAIOSFODNN7EXAMPLE"
TWICE = f'{{"key": "{SECRET}", "key": "x", "more": [{{"a": 1, "a": 2}}]}}'


def calling(arguments: str) -> dict[str, Any]:
    """A call of a function."""
    return {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}


def test_a_key_that_stands_twice_hides_no_secret() -> None:
    """Parsers differ in which member they take: one that was not judged goes to nobody (I7)."""
    rules = ResponseRules.model_validate_json(b'{"redact": ["secret"]}')
    guard = make_guard(rules, None)
    assert guard is not None
    message = {"role": "assistant", "content": None, "tool_calls": [calling(TWICE)]}
    fields, _ = guard.whole({"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})
    arguments = fields["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
    assert orjson.loads(arguments) == orjson.loads(TWICE)
    guard = make_guard(rules, None)
    assert guard is not None
    begun = {"choices": [{"index": 0, "delta": {"tool_calls": [calling(TWICE)]}}]}
    ended = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    streamed = b"".join([*guard.feed(orjson.dumps(begun)), *guard.feed(orjson.dumps(ended)), *guard.end()])
    assert SECRET not in arguments + streamed.decode()


def nested(depth: int) -> bytes:
    """JSON so deep."""
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize("depth", [255, 1000, 100_000])
async def test_bodies_that_nobody_could_send_on_are_refused_as_such(depth: int) -> None:
    """A precise error (I11), and no provider was asked."""
    router = await Router().load()
    body = orjson.dumps({"messages": MESSAGES})[:-1] + b', "deep": ' + nested(depth) + b"}"
    for call in (
        router.do.complete.run(router.request(body)),
        router.do.stream_complete.run(router.request(body), ListSink()),
    ):
        with pytest.raises(AmasError) as caught:
            await call
        assert (caught.value.kind, caught.value.reason) == (ErrorKind.INVALID_ARGUMENT, "BODY_INVALID")
    assert router.asked == []


@pytest.mark.parametrize("depth", [255, 1000])
async def test_answers_that_nobody_could_send_on_are_failures_of_their_target(depth: int) -> None:
    """Whole or streamed, the next target is asked, and every hold ends."""
    router = await Router(bundle=make_bundle(more=[BUDGET], response={"redact": ["secret"]})).load()
    deep = b', "deep": ' + nested(depth) + b"}"
    given = answer().body[:-1] + deep
    with pytest.raises(AttemptError) as caught:
        parse_answer(Operation.CHAT, given)
    assert caught.value.reason is FailureReason.RESPONSE_INVALID
    router.providers.will("p0/m", FakeStream([chunk("x")[:-1] + deep]))
    router.providers.will("p1/m", FakeStream([chunk("good", finish="stop"), USAGE_CHUNK]))
    sink = ListSink()
    await router.do.stream_complete.run(router.request(), sink)
    await router.drain()
    assert sink.text == "good"
    assert len(router.budgets.settled) + len(router.budgets.released) == len(router.budgets.held) == 2


async def test_vectors_without_usage_count_as_no_tokens() -> None:
    """The size of an answer says what a model wrote; of vectors it would say thousands of tokens that nobody bills."""
    router = await Router().load()
    fields = {"data": [{"index": 0, "embedding": [0.123456789] * 1000}]}
    router.providers.will("p0/m", ProviderAnswer(orjson.dumps(fields), fields))
    body = orjson.dumps({"input": "some words"})
    _, report = await router.do.embed.run(router.request(body))
    tokens = report.usage.tokens
    assert (tokens.output, tokens.estimated) == (0, True)
    assert tokens.input > 0
