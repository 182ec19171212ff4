"""The OpenAI-compatible API through the official SDK, over a real connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import openai
import pytest
from amas_chassis.errors import AmasError, ErrorKind
from amas_gateway.domain.model import Chunk, Report, StreamEnd

from .fakes import DIGEST
from .live import CLIENT_SECONDS, serving
from .world import MAX_BODY_BYTES, World

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-5-mini",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}
MESSAGES = [{"role": "user", "content": "hi"}]


def chunk(text: str) -> Chunk:
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-5-mini",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}],
    }
    return Chunk(json.dumps(body).encode())


@pytest.fixture
def world() -> World:
    world = World()
    world.models.body = json.dumps(ANSWER).encode()
    return world


@pytest.fixture
async def url(world: World) -> AsyncIterator[str]:
    async with serving(world) as url:
        yield url


@pytest.fixture
async def sdk(url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="developer", max_retries=0) as sdk:
        yield sdk


async def test_completion(world: World, sdk: openai.AsyncOpenAI) -> None:
    """The official SDK gets the router's answer; the route is its `model`, the bundle the tenant's active one."""
    raw = await sdk.chat.completions.with_raw_response.create(model="default", messages=MESSAGES)  # type: ignore[arg-type]
    assert raw.parse().choices[0].message.content == "hello"
    who, bundle, call = world.models.calls[0]
    assert (who.tenant, bundle, call.route) == ("acme", DIGEST, "default")
    assert json.loads(call.body)["messages"] == MESSAGES
    assert raw.headers["x-amas-call-id"] == "call-1"
    assert raw.headers["x-amas-model"] == "openai/gpt??-5"
    assert raw.headers["x-ratelimit-remaining-requests"] == "10"
    assert raw.headers["x-request-id"]
    assert raw.headers["openai-processing-ms"].isdigit()


async def test_streaming(world: World, sdk: openai.AsyncOpenAI) -> None:
    """Chunks arrive as the SDK expects them, and the stream ends with [DONE]."""
    world.models.parts = [chunk("he"), chunk("llo"), StreamEnd(Report("call-1"))]
    stream = await sdk.chat.completions.create(model="default", messages=MESSAGES, stream=True)  # type: ignore[call-overload]
    assert "".join([part.choices[0].delta.content async for part in stream]) == "hello"


async def test_embeddings(world: World, sdk: openai.AsyncOpenAI) -> None:
    """Embeddings go the same way."""
    body = {
        "object": "list",
        "model": "e",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}],
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    }
    world.models.body = json.dumps(body).encode()
    answer = await sdk.embeddings.create(model="embed", input="x", encoding_format="float")
    assert answer.data[0].embedding == [0.5, 0.25]


async def test_models(sdk: openai.AsyncOpenAI) -> None:
    """Routes are listed as models."""
    assert [model.id async for model in sdk.models.list()] == ["default"]


ERRORS = {
    "budget": (
        AmasError(ErrorKind.RESOURCE_EXHAUSTED, "BUDGET_EXCEEDED", "no money"),
        openai.APIStatusError,
        "insufficient_quota",
    ),
    "no route": (
        AmasError(ErrorKind.NOT_FOUND, "ROUTE_NOT_FOUND", "no such route"),
        openai.NotFoundError,
        "not_found_error",
    ),
    "clearance": (
        AmasError(ErrorKind.PERMISSION_DENIED, "CLEARANCE", "too secret"),
        openai.PermissionDeniedError,
        "permission_error",
    ),
    "bad body": (
        AmasError(ErrorKind.INVALID_ARGUMENT, "BODY_INVALID", "messages are missing"),
        openai.BadRequestError,
        "invalid_request_error",
    ),
    "away": (
        AmasError(ErrorKind.UNAVAILABLE, "PROVIDERS_AWAY", "all are away"),
        openai.InternalServerError,
        "server_error",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("streams", [False, True])
async def test_errors_are_those_of_the_sdk(world: World, sdk: openai.AsyncOpenAI, name: str, streams: bool) -> None:
    """A failure before the first token is the SDK's typed error, streaming or not."""
    error, kind, openai_type = ERRORS[name]
    world.models.error = error
    with pytest.raises(kind) as caught:
        await sdk.chat.completions.create(model="default", messages=MESSAGES, stream=streams)  # type: ignore[call-overload]
    assert caught.value.code == error.reason.lower()
    assert caught.value.type == openai_type
    assert error.message in caught.value.message


async def test_bad_token_is_an_authentication_error(url: str) -> None:
    """A bad key is the SDK's AuthenticationError with our reason."""
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="stolen", max_retries=0) as sdk:
        with pytest.raises(openai.AuthenticationError) as caught:
            await sdk.models.list()
    assert caught.value.code == "token_signature"


@pytest.mark.parametrize(
    "parts",
    [
        [chunk("he"), StreamEnd(Report(), "PROVIDER_BROKE", "the provider broke off")],
        [chunk("he"), AmasError(ErrorKind.UNAVAILABLE, "UPSTREAM_UNAVAILABLE", "away")],
        [chunk("he")],
    ],
    ids=["told", "raised", "just ended"],
)
async def test_broken_stream_never_looks_whole(
    world: World, sdk: openai.AsyncOpenAI, parts: list[Chunk | StreamEnd | AmasError]
) -> None:
    """A stream that broke after its first token ends with an error, never with [DONE]."""
    world.models.parts = parts
    stream = await sdk.chat.completions.create(model="default", messages=MESSAGES, stream=True)  # type: ignore[call-overload]
    received = ""

    async def read() -> None:
        nonlocal received
        async for part in stream:
            received += part.choices[0].delta.content

    with pytest.raises(openai.APIError):
        await read()
    assert received == "he"


async def test_unknown_bundle_is_handed_over_once(world: World, sdk: openai.AsyncOpenAI) -> None:
    """The router that does not know the bundle gets it, and the call is made again: the client sees nothing."""
    world.models.knows_bundle = False
    world.models.parts = [chunk("hello"), StreamEnd()]
    stream = await sdk.chat.completions.create(model="default", messages=MESSAGES, stream=True)  # type: ignore[call-overload]
    assert [part.choices[0].delta.content async for part in stream] == ["hello"]
    world.models.knows_bundle = False
    await sdk.chat.completions.create(model="default", messages=MESSAGES)  # type: ignore[arg-type]
    assert world.models.loaded == 2


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages"])
@pytest.mark.parametrize("streams", [False, True])
async def test_client_that_leaves_cancels_the_call(world: World, url: str, path: str, streams: bool) -> None:
    """A client that goes away takes its model call with it, before and within a stream: nothing runs on unpaid."""
    world.models.hang = True
    world.models.parts = [chunk("he")] if streams else []
    said = {"input": "hi"} if path == "/v1/responses" else {"messages": MESSAGES, "max_tokens": 5}
    body = json.dumps({"model": "default", "stream": streams, **said}).encode()
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer developer\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
    if streams:
        await reader.readuntil(b'"he"')
    else:
        await world.models.called.wait()
    writer.close()
    await asyncio.wait_for(world.models.cancelled.wait(), 60)


async def test_client_that_leaves_lets_go_of_the_list_of_models(world: World, url: str) -> None:
    """Nor does anything wait for it, as for an orchestrator that is away."""
    world.models.hang = True
    host, port = url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer developer\r\n\r\n")
    await world.models.called.wait()
    writer.close()
    await asyncio.wait_for(world.models.cancelled.wait(), 60)


async def test_idempotency_keys_belong_to_their_principal(world: World, url: str) -> None:
    """I8: a client's key reaches the router bound to tenant and principal; it can name no run's call."""
    async with httpx.AsyncClient(base_url=url, timeout=CLIENT_SECONDS) as client:
        for who in ("developer", "stranger", "developer"):
            headers = {"Authorization": f"Bearer {who}", "Idempotency-Key": "run-1/draft/0"}
            body = {"model": "default", "messages": MESSAGES}
            await client.post("/v1/chat/completions", json=body, headers=headers)
    keys = [call.idempotency_key for _, _, call in world.models.calls]
    assert keys[0] == keys[2] != keys[1]
    assert all(key.startswith("client/") and "run-1" not in key for key in keys)


@pytest.mark.parametrize(
    ("content", "status", "param"),
    [
        (b"{", 400, None),
        (b"[]", 400, None),
        (b"{}", 400, "model"),
        (b'{"model": 5}', 400, "model"),
        (b'{"model": "m", "stream": "yes"}', 400, "stream"),
        (b" " * (MAX_BODY_BYTES + 1), 413, None),
    ],
)
async def test_bad_bodies(world: World, url: str, content: bytes, status: int, param: str | None) -> None:
    """A bad body is answered in OpenAI's form and never reaches the router."""
    headers = {"Authorization": "Bearer developer", "Content-Type": "application/json"}
    async with httpx.AsyncClient(base_url=url, timeout=CLIENT_SECONDS) as client:
        response = await client.post("/v1/chat/completions", content=content, headers=headers)
    assert response.status_code == status
    error = response.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert world.models.calls == []


async def test_other_methods(url: str) -> None:
    """A wrong method is 405 in OpenAI's form."""
    headers = {"Authorization": "Bearer developer"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=CLIENT_SECONDS) as client:
        assert (await client.get("/v1/chat/completions")).status_code == 405
        assert (await client.post("/v1/models")).json()["error"]["code"] == "method_not_allowed"
