"""All that stands on a call's way, together: clearance, budgets, caches, response rules, records."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from amas_ai_router.domain.errors import AttemptError, FailureReason
from amas_ai_router.domain.model import ModelRequest
from amas_ai_router.domain.records import LATE, MODEL_CALLED, MODEL_REFUSED
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.labels import Confidentiality, Label

from .cache_fakes import MEMO, MemoryAnswers
from .fakes import (
    BODY,
    ONE_CALL_COST,
    USAGE_CHUNK,
    FakeStream,
    ListSink,
    Router,
    answer,
    chunk,
    make_bundle,
)

BUDGET = {
    "kind": "Budget",
    "metadata": {"name": "daily"},
    "spec": {"subject": {"tenant": "acme"}, "window": "day", "cost": {"amount": "1", "currency": "USD"}},
}
EXCEEDED = AmasError(ErrorKind.RESOURCE_EXHAUSTED, "BUDGET_EXCEEDED", "spent")
ADDRESS = "ada@example.com"
KEY = "AKIAIOSFODNN7EXAMPLE"


async def routed(*, more: Any = (), answers: Any = None, **spec: Any) -> Router:
    """A router whose default route has these rules."""
    kept = {} if answers is None else {"answers": answers}
    return await Router(bundle=make_bundle(more=more, **spec), **kept).load()


def asking(text: str, **more: Any) -> bytes:
    """A request with one message."""
    return orjson.dumps({"model": "default", "messages": [{"role": "user", "content": text}], **more})


async def streamed(router: Router, request: ModelRequest) -> tuple[ListSink, Any]:
    """What a stream gave, and how it ended."""
    sink = ListSink()
    return sink, await router.do.stream_complete.run(request, sink)


async def test_an_answered_call_is_held_then_settled_with_what_it_cost() -> None:
    """The most is reserved before the provider is asked, and what the provider reports is what counts."""
    router = await routed(more=[BUDGET])
    await router.do.complete.run(router.request())
    ((hold, spent),) = router.budgets.settled
    assert hold is router.budgets.held[0]
    assert (spent.cost, spent.tokens) == (ONE_CALL_COST, 15)
    assert hold.most.cost >= spent.cost
    # The request named no bound, so that the router did: what was held is the most that can come.
    assert router.providers.asked[0][1]["max_completion_tokens"] == 16_384


async def test_a_spent_budget_is_refused_before_anybody_is_asked_and_on_record() -> None:
    """402 at the edge: no provider was asked, nothing is billed, and audit knows why."""
    router = await routed(more=[BUDGET])
    router.budgets.refusal = EXCEEDED
    with pytest.raises(AmasError) as refused:
        await router.do.complete.run(router.request())
    assert refused.value.reason == "BUDGET_EXCEEDED"
    assert router.asked == []
    assert [data["reason"] for data in router.audit.data(MODEL_REFUSED)] == ["BUDGET_EXCEEDED"]
    with pytest.raises(AmasError):
        await streamed(router, router.request())
    assert router.ledger.calls == []


async def test_what_a_lost_attempt_may_have_cost_is_billed_beside_the_answer() -> None:
    """Failover leaks nothing: the attempt that broke is in the ledger, estimated, with a settled hold of its own."""
    router = await routed(more=[BUDGET])
    router.providers.will("p0/m", AttemptError(FailureReason.CONNECTION_LOST, "test"))
    await router.do.complete.run(router.request())
    await router.drain()
    assert sorted(record.outcome for record in router.ledger.calls) == ["lost", "ok"]
    assert len(router.budgets.settled) == 2
    lost = next(record for record in router.ledger.calls if record.outcome == "lost")
    assert lost.report.usage.tokens.estimated
    assert lost.report.usage.cost > 0


async def test_a_call_that_outlived_its_hold_is_on_record_as_late() -> None:
    """The answer is given, and the ledger says that it is counted nowhere."""
    router = await routed(more=[BUDGET])
    router.budgets.in_time = False
    body, _ = await router.do.complete.run(router.request())
    assert body == answer().body
    assert [record.outcome for record in router.ledger.calls] == [LATE]
    assert router.audit.data(MODEL_CALLED)[0]["outcome"] == LATE


async def test_a_client_that_leaves_a_stream_pays_and_its_hold_is_settled() -> None:
    """A cancelled stream leaks nothing past a budget."""
    router = await routed(more=[BUDGET])
    waiting = asyncio.Event()

    async def hang() -> None:
        waiting.set()
        await asyncio.Event().wait()

    router.providers.will("p0/m", FakeStream([chunk("some text"), hang]))
    call = asyncio.create_task(router.do.stream_complete.run(router.request(), ListSink()))
    await waiting.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await router.drain()
    ((_, spent),) = router.budgets.settled
    assert spent.tokens > 0


async def test_a_stream_whose_start_cannot_be_recorded_is_billed_all_the_same() -> None:
    """The provider had begun: the hold ends settled, and nothing was delivered."""
    router = await routed(more=[BUDGET])
    router.providers.will("p0/m", FakeStream([chunk("some text"), USAGE_CHUNK]))
    router.audit.away = True
    sink = ListSink()
    with pytest.raises(AmasError):
        await router.do.stream_complete.run(router.request(), sink)
    await router.drain()
    assert sink.chunks == []
    assert len(router.budgets.settled) == 1
    assert router.budgets.released == []


async def test_a_memo_costs_nothing_and_says_what_it_saved() -> None:
    """The second of two equal calls asks nobody, holds nothing, and is in ledger and audit as a hit."""
    router = await routed(more=[BUDGET], answers=MemoryAnswers(), cache=MEMO)
    first, _ = await router.do.complete.run(router.request())
    second, report = await router.do.complete.run(router.request())
    assert second == first
    assert router.asked == ["p0/m"]
    assert (report.cache, report.saved, report.usage.cost, report.attempts) == ("memo", ONE_CALL_COST, 0, 0)
    assert len(router.budgets.held) == 1
    assert router.ledger.calls[1].report.cache == "memo"
    assert router.audit.data(MODEL_CALLED)[1]["saved"] == {"amount": "0.00002", "currency": "USD"}


async def test_a_memo_of_a_stream_is_a_stream() -> None:
    """Chunk by chunk the same, and no second call."""
    router = await routed(answers=MemoryAnswers(), cache=MEMO)
    router.providers.will("p0/m", FakeStream([chunk("he"), chunk("llo", finish="stop"), USAGE_CHUNK]))
    first, _ = await streamed(router, router.request())
    again, end = await streamed(router, router.request())
    assert again.chunks == first.chunks
    assert end.report.cache == "memo"
    assert router.asked == ["p0/m"]


async def test_policy_stands_before_the_cache() -> None:
    """Who may not call gets no kept answer either."""
    router = await routed(answers=MemoryAnswers(), cache=MEMO)
    await router.do.complete.run(router.request())
    secret = Label(Confidentiality.RESTRICTED)
    with pytest.raises(AmasError) as refused:
        await router.do.complete.run(router.request(label=secret))
    assert refused.value.reason == "CLEARANCE_EXCEEDED"
    assert router.audit.data(MODEL_REFUSED)[0]["reason"] == "CLEARANCE_EXCEEDED"


async def test_a_secret_is_blanked_in_whole_answers_streams_and_what_is_kept() -> None:
    """No secret gets out, whether it comes at once or cut in two; the record counts it and does not quote it."""
    router = await routed(answers=MemoryAnswers(), cache=MEMO, response={"redact": ["secret"]})
    router.providers.will("p0/m", answer(f"key {KEY}."))
    for _ in range(2):
        body, _ = await router.do.complete.run(router.request())
        assert KEY.encode() not in body
        assert b"[redacted:aws-access-key]" in body
    pieces = [chunk("key AKIAIOSF"), chunk("ODNN7EXAMPLE. done"), chunk("", finish="stop"), USAGE_CHUNK]
    router.providers.will("p0/m", FakeStream(pieces))
    sink, _ = await streamed(router, router.request())
    assert sink.text == "key [redacted:aws-access-key]. done"
    called = router.audit.data(MODEL_CALLED)
    assert [data.get("redactions") for data in called] == [{"aws-access-key": 1}, None, {"aws-access-key": 1}]
    assert KEY not in str(called)


async def test_a_stop_rule_ends_the_stream_and_leaves_the_provider() -> None:
    """What stands before the match is delivered; the rest is not asked for any more."""
    router = await routed(response={"stop": ["(?i)internal only"]})
    endless = FakeStream([chunk("fine. INTERNAL "), chunk("ONLY: more"), chunk("and more"), chunk("and more")])
    router.providers.will("p0/m", endless)
    sink, end = await streamed(router, router.request())
    assert sink.text == "fine. "
    assert end.reason == ""
    assert endless.closed
    assert orjson.loads(sink.chunks[-1])["choices"][0]["finish_reason"] == "content_filter"


async def test_pseudonyms_go_out_and_the_real_names_come_back() -> None:
    """The provider sees a token, the caller the address; neither ledger nor a cache for others holds the mapping."""
    router = await routed(clearance={"otherwise": "pseudonymise"}, answers=MemoryAnswers(), cache=MEMO)

    async def echo() -> Any:
        (message,) = router.providers.asked[-1][1]["messages"]
        return answer(f"You wrote: {message['content']}")

    router.providers.will("p0/m", echo)
    body, _ = await router.do.complete.run(router.request(asking(f"mail {ADDRESS}")))
    assert orjson.loads(body)["choices"][0]["message"]["content"] == f"You wrote: mail {ADDRESS}"
    assert ADDRESS not in str(router.providers.asked)
    # Another address makes the same outgoing request, and must never get the first one's answer.
    body, report = await router.do.complete.run(router.request(asking("mail bob@example.com")))
    assert report.cache == ""
    assert b"bob@example.com" in body
    assert ADDRESS.encode() not in body


@pytest.mark.parametrize("role", ["", "writer"])
async def test_contents_are_audited_where_the_role_says_so(role: str) -> None:
    """By digest for everybody else."""
    writer = {
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
    router = await routed(more=[writer])
    await router.do.complete.run(router.request(role=role))
    (data,) = router.audit.data(MODEL_CALLED)
    assert data["requestDigest"].startswith("sha256:")
    assert data.get("request") == (BODY.decode() if role else None)
    assert data.get("response") == (answer().body.decode() if role else None)
