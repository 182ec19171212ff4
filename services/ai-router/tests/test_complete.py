"""Complete over fakes: failover, idempotency, records, failing closed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import orjson
import pytest
from amas_ai_router.domain.errors import AttemptError, FailureReason, ModelCallError
from amas_ai_router.domain.model import Decision, ProviderAnswer
from amas_ai_router.domain.records import LOST, MODEL_CALLED, MODEL_REFUSED, OK
from amas_chassis.errors import AmasError, ErrorKind

from .fakes import BODY, DEVELOPER, ONE_CALL_COST, Router, answer, lost, refused


async def test_an_answer_is_passed_on_with_its_usage_and_cost(router: Router) -> None:
    """The body goes through untouched; tokens and money are those of the provider and the price list."""
    body, report = await router.do.complete.run(router.request())
    assert body == answer().body
    assert (report.provider, report.model, report.attempts, report.failovers) == ("p0", "m", 1, ())
    assert (report.usage.tokens.input, report.usage.tokens.output) == (10, 5)
    assert (report.usage.cost, report.usage.currency) == (ONE_CALL_COST, "USD")


@pytest.mark.parametrize("reason", list(FailureReason))
async def test_every_failure_of_a_target_leads_to_the_next(router: Router, reason: FailureReason) -> None:
    """Failover happens for each reason, and the report says why each target was left."""
    router.providers.will("p0/m", AttemptError(reason, "test"))
    _, report = await router.do.complete.run(router.request())
    assert (report.provider, report.attempts) == ("p1", 2)
    assert report.failovers == (f"p0/m: {reason}",)


@pytest.mark.parametrize(
    ("reason", "kind", "code"),
    [
        (FailureReason.CONNECT_FAILED, ErrorKind.UNAVAILABLE, "MODEL_UNAVAILABLE"),
        (FailureReason.TIMEOUT, ErrorKind.DEADLINE_EXCEEDED, "MODEL_TIMEOUT"),
        (FailureReason.RATE_LIMITED, ErrorKind.RESOURCE_EXHAUSTED, "MODEL_RATE_LIMITED"),
        (FailureReason.RESPONSE_TOO_LARGE, ErrorKind.RESOURCE_EXHAUSTED, "MODEL_RESPONSE_TOO_LARGE"),
        (FailureReason.RESPONSE_INVALID, ErrorKind.INTERNAL, "MODEL_RESPONSE_INVALID"),
    ],
)
async def test_when_no_target_answers_the_refusal_is_on_record(
    router: Router, reason: FailureReason, kind: ErrorKind, code: str
) -> None:
    """Each target is asked once, the error has a stable reason, and audit holds it with all failovers."""
    for target in ("p0/m", "p1/m"):
        router.providers.will(target, AttemptError(reason, "test", retry_after=7.0))
    with pytest.raises(ModelCallError) as caught:
        await router.do.complete.run(router.request())
    assert (caught.value.kind, caught.value.reason, caught.value.retry_after) == (kind, code, 7.0)
    assert router.asked == ["p0/m", "p1/m"]
    (data,) = router.audit.data(MODEL_REFUSED)
    assert data["reason"] == code
    assert data["failovers"] == [f"p0/m: {reason}", f"p1/m: {reason}"]
    await router.drain()
    billable = AttemptError(reason, "test").billable
    assert router.ledger.outcomes() == ([("p0", LOST), ("p1", LOST)] if billable else [])


async def test_a_request_that_the_provider_rejects_is_the_callers_error(router: Router) -> None:
    """No other target is asked, and the provider's error object reaches the caller."""
    router.providers.will("p0/m", refused(422))
    with pytest.raises(ModelCallError) as caught:
        await router.do.complete.run(router.request())
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.INVALID_ARGUMENT, "PROVIDER_REJECTED")
    assert caught.value.metadata == {"provider_status": "422", "provider_error": '{"message":"bad"}'}
    assert router.asked == ["p0/m"]


async def test_the_call_is_on_record_before_it_is_answered(router: Router) -> None:
    """One event with digests, usage, cost and attempts; a row in the ledger under the same id."""
    router.providers.will("p0/m", lost())
    await router.do.complete.run(router.request(run_id="r1", step="draft", role="writer"))
    (event,) = router.audit.events.values()
    data = orjson.loads(event.data_json)
    assert (event.type, event.run_id, event.step, event.role, event.principal) == (
        MODEL_CALLED,
        "r1",
        "draft",
        "writer",
        "developer",
    )
    assert data["usage"]["cost"] == {"amount": "0.00002", "currency": "USD"}
    assert data["failovers"] == ["p0/m: CONNECTION_LOST"]
    assert data["requestDigest"].startswith("sha256:")
    assert data["responseDigest"].startswith("sha256:")
    assert (data["attempts"], data["finishReason"], data["decision"]) == (2, "stop", "d1")
    rows = {record.outcome: record.report.call_id for record in router.ledger.calls}
    assert rows[OK] == data["callId"]


async def test_without_audit_there_is_no_answer(router: Router) -> None:
    """Fail closed: an answer that cannot be put on record is withheld."""
    router.audit.away = True
    with pytest.raises(ModelCallError) as caught:
        await router.do.complete.run(router.request())
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.UNAVAILABLE, "AUDIT_UNAVAILABLE")


async def test_a_failure_that_cannot_be_recorded_is_no_invitation_to_repeat(router: Router) -> None:
    """Providers were asked, so the error is still one that nobody repeats blindly."""
    router.audit.away = True
    for target in ("p0/m", "p1/m"):
        router.providers.will(target, lost())
    with pytest.raises(ModelCallError) as caught:
        await router.do.complete.run(router.request())
    assert caught.value.reason == "AUDIT_UNAVAILABLE"


async def test_without_policy_no_provider_is_asked(router: Router) -> None:
    """Fail closed: no answer from policy is a no."""
    router.policy.away = True
    with pytest.raises(AmasError) as caught:
        await router.do.complete.run(router.request())
    assert caught.value.reason == "POLICY_UNAVAILABLE"
    assert router.asked == []


async def test_without_the_ledger_no_keyed_call_is_made(router: Router) -> None:
    """A call whose key cannot be looked up is not made: it might be the second one."""
    router.ledger.away = True
    with pytest.raises(AmasError) as caught:
        await router.do.complete.run(router.request(idempotency_key="k"))
    assert caught.value.reason == "LEDGER_UNAVAILABLE"
    assert router.asked == []


async def test_a_denied_call_reaches_no_provider_and_is_on_record(router: Router) -> None:
    """Policy's reason code reaches the caller and the log."""
    router.policy.decision = Decision("d2", allowed=False, reasons=(("ROUTE_NOT_GRANTED", "another route"),))
    with pytest.raises(AmasError) as caught:
        await router.do.complete.run(router.request())
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.PERMISSION_DENIED, "ROUTE_NOT_GRANTED")
    assert router.asked == []
    assert [data["reason"] for data in router.audit.data(MODEL_REFUSED)] == ["ROUTE_NOT_GRANTED"]


async def test_the_same_key_is_answered_again_and_billed_once(router: Router) -> None:
    """A repeated call gets the first answer, whatever the provider would say now."""
    router.providers.will("p0/m", answer("first"), answer("second"))
    first, _ = await router.do.complete.run(router.request(idempotency_key="k"))
    second, report = await router.do.complete.run(router.request(idempotency_key="k"))
    assert first == second == answer("first").body
    assert report.replayed
    assert len(router.ledger.calls) == len(router.audit.events) == len(router.asked) == 1


async def test_a_crash_between_ledger_and_audit_is_mended_by_the_next_call(router: Router) -> None:
    """The retry appends the event that the first call could not, under the same id, and answers."""
    router.audit.away = True
    with pytest.raises(AmasError):
        await router.do.complete.run(router.request(idempotency_key="k"))
    router.audit.away = False
    _, report = await router.do.complete.run(router.request(idempotency_key="k"))
    assert report.replayed
    assert list(router.audit.events) == [f"model:{report.call_id}"]
    assert len(router.asked) == 1


async def test_concurrent_calls_with_one_key_ask_the_model_once(router: Router) -> None:
    """Later calls wait for the first and get its answer."""
    reached, release = asyncio.Event(), asyncio.Event()

    async def slow() -> Any:
        reached.set()
        await release.wait()
        return answer()

    router.providers.will("p0/m", slow)
    calls = [asyncio.create_task(router.do.complete.run(router.request(idempotency_key="k"))) for _ in range(5)]
    await reached.wait()
    release.set()
    reports = [report for _, report in await asyncio.gather(*calls)]
    assert sorted(report.replayed for report in reports) == [False, True, True, True, True]
    assert len(router.asked) == len(router.ledger.calls) == 1


async def test_a_key_stands_for_one_request(router: Router) -> None:
    """Another body under the same key is refused; the same body with its fields in another order is the same."""
    await router.do.complete.run(router.request(idempotency_key="k"))
    turned = orjson.dumps(dict(reversed(orjson.loads(BODY).items())))
    _, report = await router.do.complete.run(router.request(turned, idempotency_key="k"))
    assert report.replayed
    other = orjson.dumps({"messages": [{"role": "user", "content": "other"}]})
    with pytest.raises(AmasError) as caught:
        await router.do.complete.run(router.request(other, idempotency_key="k"))
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.ALREADY_EXISTS, "IDEMPOTENCY_KEY_REUSED")


async def test_a_key_never_crosses_tenants_or_principals(router: Router) -> None:
    """I8: tenants never meet: the same key of somebody else is another call."""
    await router.do.complete.run(router.request(idempotency_key="k"))
    for other in (replace(DEVELOPER, tenant="other"), replace(DEVELOPER, subject="auditor")):
        _, report = await router.do.complete.run(router.request(idempotency_key="k", principal=other))
        assert not report.replayed
    assert len({record.report.call_id for record in router.ledger.calls}) == 3


async def test_a_failed_call_may_be_tried_again_under_its_key(router: Router) -> None:
    """Only answers are kept, never failures."""
    router.providers.will("p0/m", lost(), answer())
    router.providers.will("p1/m", lost())
    with pytest.raises(AmasError):
        await router.do.complete.run(router.request(idempotency_key="k"))
    _, report = await router.do.complete.run(router.request(idempotency_key="k"))
    assert not report.replayed


async def test_a_late_executor_is_fenced_before_it_spends(router: Router) -> None:
    """Once a later executor was seen, an earlier one reaches no provider."""
    await router.do.complete.run(router.request(run_id="r", idempotency_key="r/a/2", fencing_token=2))
    with pytest.raises(AmasError) as caught:
        await router.do.complete.run(router.request(run_id="r", idempotency_key="r/a/3", fencing_token=1))
    assert caught.value.reason == "FENCED"
    assert len(router.asked) == 1


async def test_an_executor_that_is_overtaken_mid_call_gets_nothing(router: Router) -> None:
    """The fence also holds where the effect happens: no row, no answer, but a record that a call was wasted."""

    async def overtaken() -> Any:
        router.ledger.fence[("acme", "r")] = 9
        return answer()

    router.providers.will("p0/m", overtaken)
    with pytest.raises(ModelCallError) as caught:
        await router.do.complete.run(router.request(run_id="r", idempotency_key="k", fencing_token=1))
    assert caught.value.reason == "FENCED"
    assert router.ledger.calls == []
    assert [data["reason"] for data in router.audit.data(MODEL_REFUSED)] == ["FENCED"]


async def test_usage_is_estimated_and_marked_where_none_is_reported(router: Router) -> None:
    """A provider that reports nothing is not free."""
    router.providers.will("p0/m", answer("x" * 400, usage=False))
    _, report = await router.do.complete.run(router.request())
    assert report.usage.tokens.estimated
    assert report.usage.tokens.output > 100
    assert report.usage.cost > 0


async def test_a_client_that_goes_away_cancels_the_call_and_is_on_record(router: Router) -> None:
    """The provider's call is cancelled, and audit says that nobody got an answer."""
    reached, cancelled = asyncio.Event(), asyncio.Event()

    async def hang() -> Any:
        reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    router.providers.will("p0/m", hang)
    call = asyncio.create_task(router.do.complete.run(router.request()))
    await reached.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await router.drain()
    assert cancelled.is_set()
    assert [data["reason"] for data in router.audit.data(MODEL_REFUSED)] == ["CLIENT_CANCELLED"]


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"{}", b'{"messages": []}', b'{"messages": "x"}', b'{"messages": [1]} x']
)
async def test_a_body_that_is_no_request_is_refused_and_changes_nothing(router: Router, body: bytes) -> None:
    """A bad request gets a precise error."""
    with pytest.raises(AmasError) as caught:
        await router.do.complete.run(router.request(body))
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.INVALID_ARGUMENT, "BODY_INVALID")
    assert router.audit.events == {}


async def test_embeddings_go_the_same_way(router: Router) -> None:
    """Same checks and same records; the body's shape is that of embeddings."""
    fields = {"data": [{"embedding": [1.0]}], "usage": {"prompt_tokens": 3, "total_tokens": 3}}
    router.providers.will("p0/m", ProviderAnswer(orjson.dumps(fields), fields))
    body, report = await router.do.embed.run(router.request(b'{"input": "x"}'))
    assert orjson.loads(body)["data"][0]["embedding"] == [1.0]
    assert (report.usage.tokens.input, report.usage.tokens.output) == (3, 0)
    assert router.audit.data(MODEL_CALLED)[0]["operation"] == "embeddings"
