"""Anthropic's Messages API over HTTP, through the official SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anthropic
import httpx
import pytest
from amas_chassis.errors import AmasError, ErrorKind
from amas_gateway.domain.model import Billed, Report, StreamEnd

from .chunks import chunk, completion, parts, two_calls
from .live import CLIENT_SECONDS, serving
from .test_messages_api import ASK, HI, WEATHER
from .world import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def url(world: World) -> AsyncIterator[str]:
    async with serving(world) as url:
        yield url


@pytest.fixture
async def sdk(url: str) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=url, api_key="developer", max_retries=0) as sdk:
        yield sdk


async def test_the_sdk_reads_answer_and_stream(world: World, sdk: anthropic.AsyncAnthropic) -> None:
    """The official SDK's own accumulation of the stream agrees with the whole answer; its key is the access token."""
    world.models.body = completion({"content": "Looking."})
    whole = await sdk.messages.create(**ASK, messages=HI)
    assert whole.content[0].text == "Looking."  # type: ignore[union-attr]
    assert whole._request_id
    world.models.parts = [*parts(two_calls()), StreamEnd(Report("call-1"))]
    async with sdk.messages.stream(**ASK, messages=HI, tools=[WEATHER]) as stream:
        final = await stream.get_final_message()
    assert [entry.type for entry in final.content] == ["text", "tool_use", "tool_use"]
    assert [entry.input for entry in final.content if entry.type == "tool_use"] == [{"city": "Oslo"}, {}]
    assert (final.usage.input_tokens, final.usage.output_tokens) == (7, 4)


async def test_both_credentials_are_the_same(world: World, url: str) -> None:
    """x-api-key carries an access token under Anthropic's paths alone, and never beside another credential."""
    world.models.body = completion({"content": "x"})
    body = {**ASK, "messages": HI}
    async with httpx.AsyncClient(base_url=url, timeout=CLIENT_SECONDS) as client:

        async def status(path: str, **headers: str) -> int:
            return (await client.post(path, json=body, headers=headers)).status_code

        assert await status("/v1/messages", Authorization="Bearer developer") == 200
        assert await status("/v1/messages", **{"x-api-key": "developer"}) == 200
        assert await status("/v1/messages", **{"x-api-key": "developer", "Authorization": "Bearer stolen"}) == 401
        assert await status("/v1/messages", **{"x-api-key": "stolen"}) == 401
        assert await status("/v1/chat/completions", **{"x-api-key": "developer"}) == 401


async def test_a_broken_stream_is_an_error_event(world: World, url: str, sdk: anthropic.AsyncAnthropic) -> None:
    """A break after the first token raises in the SDK and tells what was delivered and billed."""
    report = Report("call-9", "openai", "gpt-5-mini", 1, billed=Billed(10, 2, "0.001", "USD"))
    world.models.parts = [*parts([chunk({"content": "he"})]), StreamEnd(report, "CONNECTION_LOST", "it broke")]
    with pytest.raises(anthropic.APIStatusError) as broken:
        async with sdk.messages.stream(**ASK, messages=HI) as stream:
            await stream.get_final_message()
    error = broken.value.body["error"]  # type: ignore[index]
    assert (error["type"], error["code"], error["call_id"]) == ("api_error", "connection_lost", "call-9")
    assert error["billed"]["cost"] == {"amount": "0.001", "currency": "USD"}


ERRORS = {
    "no route": (
        AmasError(ErrorKind.NOT_FOUND, "ROUTE_UNKNOWN", "none"),
        anthropic.NotFoundError,
        "not_found_error",
    ),
    "denied": (
        AmasError(ErrorKind.PERMISSION_DENIED, "CLEARANCE_EXCEEDED", "too secret"),
        anthropic.PermissionDeniedError,
        "permission_error",
    ),
    "budget": (
        AmasError(ErrorKind.RESOURCE_EXHAUSTED, "BUDGET_EXCEEDED", "spent"),
        anthropic.PaymentRequiredError,
        "billing_error",
    ),
    "provider": (
        AmasError(
            ErrorKind.INVALID_ARGUMENT,
            "PROVIDER_REJECTED",
            "refused",
            metadata={"provider_status": "400", "provider_error": '{"message": "too long"}'},
        ),
        anthropic.BadRequestError,
        "invalid_request_error",
    ),
    "slow": (
        AmasError(ErrorKind.DEADLINE_EXCEEDED, "MODEL_TIMEOUT", "too slow"),
        anthropic.InternalServerError,
        "timeout_error",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("streams", [False, True])
async def test_errors_are_those_of_the_sdk(
    world: World, sdk: anthropic.AsyncAnthropic, name: str, streams: bool
) -> None:
    """A failure before the first token is the SDK's typed error, streaming or not."""
    error, kind, told = ERRORS[name]
    world.models.error = error
    with pytest.raises(kind) as caught:
        await sdk.messages.create(**ASK, messages=HI, stream=streams)
    assert caught.value.type == told
    assert caught.value.request_id


async def test_every_error_has_anthropics_form(world: World, url: str) -> None:
    """Identity, limits, bodies, methods and what is not offered: all in the form that the SDK reads."""
    async with httpx.AsyncClient(base_url=url, timeout=CLIENT_SECONDS) as client:
        mine = {"x-api-key": "developer"}
        world.limiter.allow = False
        answers = [await client.post("/v1/messages", json=ASK, headers=mine)]
        world.limiter.allow = True
        answers += [
            await client.post("/v1/messages", json=ASK),
            await client.post("/v1/messages", content=b"{", headers={**mine, "content-type": "application/json"}),
            await client.get("/v1/messages", headers=mine),
            await client.post("/v1/messages/count_tokens", json=ASK, headers=mine),
            await client.post("/v1/messages", json={**ASK, "x": " " * 20_000}, headers=mine),
        ]
    told = [(answer.status_code, answer.json()["error"]["type"]) for answer in answers]
    assert told == [
        (429, "rate_limit_error"),
        (401, "authentication_error"),
        (400, "invalid_request_error"),
        (405, "invalid_request_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
    ]
    assert all(answer.json()["type"] == "error" for answer in answers)
    assert all(answer.headers["request-id"] == answer.json()["request_id"] for answer in answers)
