"""What clients say in headers reaches the call, and what they are told in headers is true."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import httpx
import openai
import pytest
from amas.router.v1 import router_pb2
from amas_chassis.errors import AmasError, ErrorKind
from amas_gateway.adapters.ai_router_client import MODEL_TIMEOUT_SECONDS, RouterModels
from amas_gateway.domain.errors import RepeatUnsafeError, repeat_unsafe
from amas_gateway.domain.model import Answer, Billed, ModelCall, Report, StreamEnd
from amas_gateway.entrypoints.model_api.call_options import call_options
from amas_gateway.entrypoints.while_connected import ClientGoneError, WhileConnected

from .chunks import chunk, completion, parts
from .fakes import DIGEST, principal
from .live import CLIENT_SECONDS, serving
from .world import World

CHAT = "/v1/chat/completions"
BODY = {"model": "default", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def world() -> World:
    world = World()
    world.models.body = completion({"content": "hello"})
    return world


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(world) as url:
        headers = {"Authorization": "Bearer developer"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=CLIENT_SECONDS) as client:
            yield client


@pytest.mark.parametrize(
    ("headers", "streams", "seconds"),
    [
        ({}, False, None),
        ({"x-request-timeout": "2.5"}, False, 2.5),
        ({"x-request-timeout": "2.5"}, True, 2.5),
        ({"x-stainless-read-timeout": "600"}, False, 600.0),
        ({"x-stainless-timeout": "30"}, False, 30.0),
        ({"x-stainless-timeout": "30"}, True, None),
        ({"x-stainless-timeout": "NOT_GIVEN"}, False, None),
        ({"x-stainless-timeout": "30", "x-request-timeout": "5"}, False, 5.0),
    ],
)
def test_how_long_the_client_waits(headers: dict[str, str], streams: bool, seconds: float | None) -> None:
    """An explicit time bounds every call; an SDK's own time between bytes bounds a whole answer alone."""
    options = call_options({name.encode(): value.encode() for name, value in headers.items()})
    assert options.deadline(streams=streams) == seconds


@pytest.mark.parametrize("value", ["0", "-1", "soon", "nan", "inf", ""])
async def test_a_bad_time_is_refused(world: World, client: httpx.AsyncClient, value: str) -> None:
    """I11: a time that is none is a 400 that names the header."""
    response = await client.post(CHAT, json=BODY, headers={"x-request-timeout": value})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "X-Request-Timeout")
    assert world.models.calls == []


async def test_options_reach_the_call(world: World, client: httpx.AsyncClient) -> None:
    """The deadline and the wish for a fresh answer go with the call."""
    headers = {"x-request-timeout": "7", "cache-control": "No-Cache", "idempotency-key": "k"}
    await client.post(CHAT, json=BODY, headers=headers)
    await client.post(CHAT, json=BODY)
    first, second = (call for _, _, call in world.models.calls)
    assert (first.timeout, first.no_cache, bool(first.idempotency_key)) == (7.0, True, True)
    assert (second.timeout, second.no_cache, second.idempotency_key) == (None, False, "")


class FakeStub:
    """The router's stub, as far as it is asked here."""

    def __init__(self, error: grpc.aio.AioRpcError | None = None) -> None:
        self.timeouts: list[float] = []
        self.contexts: list[router_pb2.CallContext] = []
        self.error = error

    @property
    def stub(self) -> FakeStub:
        return self

    async def Complete(self, request: Any, timeout: float) -> Any:  # noqa: N802, ASYNC109 - as the stub has it
        self.timeouts.append(timeout)
        self.contexts.append(request.context)
        if self.error is not None:
            raise self.error
        usage = {"input_tokens": 3, "output_tokens": 1, "cost": {"amount": "0.01", "currency": "USD"}}
        return router_pb2.CompleteResponse(
            body=b"{}", report=router_pb2.CallReport(call_id="c", usage=usage, cache="memo")
        )


async def test_the_client_hands_the_deadline_on_and_caps_it() -> None:
    """No client can make a call outlive the gateway's own bound; the report comes back whole."""
    stub = FakeStub()
    models = RouterModels(stub)  # type: ignore[arg-type]
    answers = [
        await models.complete(principal(), DIGEST, ModelCall("default", b"{}", timeout=timeout, no_cache=True))
        for timeout in (None, 2.0, 9e9)
    ]
    assert stub.timeouts == [MODEL_TIMEOUT_SECONDS, 2.0, MODEL_TIMEOUT_SECONDS]
    assert stub.contexts[0].no_cache
    assert answers[0].report.cache == "memo"
    assert answers[0].report.billed == Billed(3, 1, "0.01", "USD")


@pytest.mark.parametrize(
    ("code", "trailers", "unsafe"),
    [
        (grpc.StatusCode.UNAVAILABLE, (("grpc-retry-pushback-ms", "-1"),), True),
        (grpc.StatusCode.UNAVAILABLE, (("grpc-retry-pushback-ms", "200"),), False),
        (grpc.StatusCode.UNAVAILABLE, (), False),
        (grpc.StatusCode.DEADLINE_EXCEEDED, (), True),
        (grpc.StatusCode.CANCELLED, (), True),
    ],
)
async def test_the_routers_word_against_repeating_is_kept(
    code: grpc.StatusCode, trailers: tuple[tuple[str, str], ...], unsafe: bool
) -> None:
    """I5: a call that a provider may have billed is marked, also where only the time ran out."""
    error = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailers), "x")
    models = RouterModels(FakeStub(error))  # type: ignore[arg-type]
    with pytest.raises(AmasError) as failed:
        await models.complete(principal(), DIGEST, ModelCall("default", b"{}"))
    assert isinstance(failed.value, RepeatUnsafeError) is unsafe


async def test_sdks_are_told_not_to_repeat(world: World, client: httpx.AsyncClient) -> None:
    """A failure after a provider was asked is not asked for again by the official SDK; another one is."""
    away = AmasError(ErrorKind.UNAVAILABLE, "MODEL_UNAVAILABLE", "away", retry_after=0.01)
    calls = []
    for error in (repeat_unsafe(away), away):
        world.models.error, world.models.calls = error, []
        async with openai.AsyncOpenAI(base_url=f"{client.base_url}/v1", api_key="developer", max_retries=1) as sdk:
            with pytest.raises(openai.InternalServerError) as failed:
                await sdk.chat.completions.create(**BODY)  # type: ignore[call-overload]
        calls.append((len(world.models.calls), failed.value.response.headers.get("x-should-retry")))
    assert calls == [(1, "false"), (2, None)]


async def test_a_spent_budget_is_402(world: World, client: httpx.AsyncClient) -> None:
    """What is left and when it renews is in the headers and in the sentence."""
    renews = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    told = {
        "budget": "daily\r\nx: y",
        "window": "day",
        "remaining_cost": "0.12",
        "currency": "USD",
        "remaining_tokens": "500",
        "renews_at": renews,
    }
    world.models.error = AmasError(ErrorKind.RESOURCE_EXHAUSTED, "BUDGET_EXCEEDED", "Spent.", metadata=told)
    response = await client.post(CHAT, json=BODY)
    assert response.status_code == 402
    error = response.json()["error"]
    assert (error["type"], error["code"]) == ("insufficient_quota", "budget_exceeded")
    assert error["message"] == (
        f"Spent. Left: 0.12 USD and 500 tokens; the call may need more. The budget renews at {renews}."
    )
    assert response.headers["x-amas-budget"] == "daily??x: y"
    assert response.headers["x-amas-budget-remaining-cost"] == "0.12"
    assert response.headers["x-amas-budget-renews-at"] == renews
    assert 3500 < int(response.headers["retry-after"]) <= 3600


@pytest.mark.parametrize("renews", ["", "never", "2999-01-01T00:00:00Z", "2999-01-01T00:00:00"])
async def test_a_budget_that_renews_late_names_no_time_to_wait(
    world: World, client: httpx.AsyncClient, renews: str
) -> None:
    """A client is not told to wait for years, nor for a time that is none."""
    told = {"budget": "monthly", "renews_at": renews}
    world.models.error = AmasError(ErrorKind.RESOURCE_EXHAUSTED, "BUDGET_EXCEEDED", "Spent.", metadata=told)
    response = await client.post(CHAT, json=BODY)
    assert response.status_code == 402
    assert "retry-after" not in response.headers


async def test_how_a_call_was_served(world: World, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Model, attempts, cache and cost of a whole answer are in its headers."""
    report = Report("call-1", "openai", "gpt-5", 2, True, "semantic", Billed(3, 1, "0.0021", "USD", estimated=True))

    async def complete(*_: object) -> Answer:
        return Answer(world.models.body, report)

    monkeypatch.setattr(world.models, "complete", complete)
    headers = (await client.post(CHAT, json=BODY, headers={"x-request-id": "mine"})).headers
    told = {name: value for name, value in headers.items() if name.startswith("x-amas-")}
    assert told == {
        "x-amas-call-id": "call-1",
        "x-amas-model": "openai/gpt-5",
        "x-amas-attempts": "2",
        "x-amas-cache": "semantic",
        "x-amas-replayed": "true",
        "x-amas-cost": "0.0021 USD",
        "x-amas-usage": "estimated",
    }
    assert headers["x-request-id"] == "mine"


async def test_one_model(client: httpx.AsyncClient) -> None:
    """A route can be looked up by its name."""
    assert (await client.get("/v1/models/default")).json()["id"] == "default"
    response = await client.get("/v1/models/none")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "model_not_found")


async def test_a_broken_stream_tells_what_was_delivered_and_billed(world: World, client: httpx.AsyncClient) -> None:
    """The error event of a chat stream holds the count of chunks, the tokens and the cost."""
    report = Report("call-9", "openai", "gpt-5", 1, billed=Billed(10, 2, "0.001", "USD", estimated=True))
    world.models.parts = [
        *parts([chunk({"content": "he"}), chunk({"content": "l"})]),
        StreamEnd(report, "LOST", "lost"),
    ]
    response = await client.post(CHAT, json={**BODY, "stream": True})
    last = response.text.strip().split("\n\n")[-1]
    assert json.loads(last.removeprefix("data: "))["error"] == {
        "message": "lost",
        "type": "server_error",
        "param": None,
        "code": "lost",
        "call_id": "call-9",
        "delivered": {"chunks": 2},
        "billed": {
            "input_tokens": 10,
            "output_tokens": 2,
            "cost": {"amount": "0.001", "currency": "USD"},
            "estimated": True,
        },
    }


async def test_a_client_that_leaves_cancels_the_block_alone() -> None:
    """The block ends as ClientGoneError, and no cancellation is left behind in the task."""

    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientGoneError):
        async with WhileConnected(gone):
            await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_cancellation_of_somebody_else_passes() -> None:
    """A drain's cancellation is not mistaken for a client's going."""

    async def stays() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    inside = asyncio.Event()

    async def serve() -> None:
        async with WhileConnected(stays):
            inside.set()
            await asyncio.Event().wait()

    serving = asyncio.create_task(serve())
    await inside.wait()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
