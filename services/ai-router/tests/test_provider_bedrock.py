"""Chat Completions over Bedrock's Converse API: its shapes, its signature, and its framing over real HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from amas_ai_router.adapters.key_files import KeyFiles
from amas_ai_router.adapters.providers.bedrock_translate import to_converse
from amas_ai_router.adapters.providers.by_api import ProvidersByApi
from amas_ai_router.adapters.providers.chat_request import read_chat
from amas_ai_router.domain.errors import AttemptError, FailureReason, RejectedError
from amas_ai_router.domain.model import Operation, Target, Tokens

from tests.fault_server import FRAMES_HEAD, Request, chunked, fault_server, framed, says, whole

from .fakes import MESSAGES
from .provider_calls import BOUND, PATIENCE, answer_of, make_target
from .test_provider_anthropic import fold

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "weather", "description": "d", "parameters": SCHEMA}}
MODEL = "eu.vendor.model-1:0"
# The key of AWS's own examples.
ACCESS, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
USAGE = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15, "cacheReadInputTokens": 7, "cacheWriteInputTokens": 3}
ANSWER = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm"}}},
                {"text": "hi"},
                {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Oslo"}}},
            ],
        }
    },
    "stopReason": "tool_use",
    "usage": USAGE,
    "metrics": {"latencyMs": 1},
}
STREAM: list[tuple[str, dict[str, Any]]] = [
    ("messageStart", {"role": "assistant"}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Let me"}}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": " see"}}),
    ("contentBlockStop", {"contentBlockIndex": 0}),
    ("contentBlockStart", {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "t1", "name": "weather"}}}),
    ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '{"city":'}}}),
    ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '"Oslo"}'}}}),
    ("contentBlockStop", {"contentBlockIndex": 1}),
    ("contentBlockStart", {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "t2", "name": "now"}}}),
    ("contentBlockStop", {"contentBlockIndex": 2}),
    ("messageStop", {"stopReason": "tool_use"}),
    ("metadata", {"usage": USAGE, "metrics": {"latencyMs": 1}}),
]


def frames(messages: list[tuple[str, dict[str, Any]]]) -> bytes:
    """A stream, cut into chunks that do not care where messages end."""
    content = b"".join(framed(kind, orjson.dumps(event)) for kind, event in messages)
    return FRAMES_HEAD + chunked(*(content[at : at + 97] for at in range(0, len(content), 97)))


def translated(**fields: Any) -> dict[str, Any]:
    """A request as it would be sent."""
    return to_converse(read_chat({"model": "route", "messages": MESSAGES, **fields}), most_tokens=64)


def bedrock(url: str, **changes: Any) -> Target:
    """A target of the API."""
    return make_target("bedrock", url, **{"model": MODEL, "region": "eu-west-1", **changes})


@pytest_asyncio.fixture
async def providers(tmp_path: Path) -> AsyncIterator[ProvidersByApi]:
    """All providers, with a key of each kind."""
    (tmp_path / "key").write_text("bedrock-api-key-1")
    (tmp_path / "access").write_text(f"{ACCESS}:{SECRET}")
    (tmp_path / "session").write_text(f"ASIA{ACCESS[4:]}:{SECRET}:token")
    made = ProvidersByApi(KeyFiles(tmp_path), max_response_bytes=BOUND, connect_timeout=PATIENCE)
    yield made
    await made.close()


def test_a_conversation() -> None:
    """Every part by its name there."""
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    file = {"type": "file", "file": {"filename": "a_b.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}}
    body = translated(
        messages=[
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "look"}, image, file]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        ],
        tools=[TOOL],
        tool_choice={"type": "function", "function": {"name": "weather"}},
        stop="x",
        temperature=0.5,
        top_p=0.9,
        max_tokens=5,
        reasoning_effort="high",
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
    )
    schema = {"schema": orjson.dumps(SCHEMA).decode()}
    assert body == {
        "system": [{"text": "be brief"}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"text": "look"},
                    {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}},
                    {"document": {"format": "pdf", "name": "a b pdf", "source": {"bytes": "JVBERi0="}}},
                ],
            },
            {
                "role": "assistant",
                "content": [{"toolUse": {"toolUseId": "c1", "name": "weather", "input": {"city": "Oslo"}}}],
            },
            {"role": "user", "content": [{"toolResult": {"toolUseId": "c1", "content": [{"text": "rain"}]}}]},
        ],
        "inferenceConfig": {"maxTokens": 5, "temperature": 0.5, "topP": 0.9, "stopSequences": ["x"]},
        "toolConfig": {
            "tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}, "description": "d"}}],
            "toolChoice": {"tool": {"name": "weather"}},
        },
        "outputConfig": {
            "textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}},
            "effort": "high",
        },
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 2},
        {"logprobs": True},
        {"tools": [TOOL], "tool_choice": "none"},
        {"tools": [TOOL], "parallel_tool_calls": False},
        {"reasoning_effort": "none"},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.test/a"}}]}]},
    ],
)
def test_what_has_no_counterpart_is_refused(fields: dict[str, Any]) -> None:
    """Never dropped."""
    with pytest.raises(RejectedError):
        translated(**fields)


async def test_a_whole_answer(providers: ProvidersByApi) -> None:
    """Texts, thoughts, calls and tokens in their places; a Bedrock API key goes as a bearer token."""
    async with asyncio.timeout(PATIENCE), fault_server(says(whole(orjson.dumps(ANSWER)))) as server:
        made = await providers.ask(bedrock(server.url), Operation.CHAT, {"messages": MESSAGES})
        (request,) = server.requests
    choice = made.fields["choices"][0]
    message = choice["message"]
    assert (message["content"], message["reasoning_content"], choice["finish_reason"]) == ("hi", "hm", "tool_calls")
    assert message["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city":"Oslo"}'}
    assert made.fields["usage"]["prompt_tokens"] == 20
    assert made.fields["usage"]["prompt_tokens_details"] == {"cached_tokens": 7}
    assert request.line == "POST /model/eu.vendor.model-1%3A0/converse HTTP/1.1"
    assert request.headers["authorization"] == "Bearer bedrock-api-key-1"


async def test_streams_share_a_connection(providers: ProvidersByApi) -> None:
    """Messages are put together whatever the pieces; the last chunk holds the usage."""
    async with asyncio.timeout(PATIENCE), fault_server(says(frames(STREAM))) as server:
        for _ in range(2):
            text, calls, finish, tokens = fold(await answer_of(providers, bedrock(server.url), stream=True))
            assert (text, finish, tokens) == ("Let me see", "tool_calls", Tokens(20, 7, 5))
            assert calls == {
                0: {"id": "t1", "name": "weather", "arguments": '{"city":"Oslo"}'},
                1: {"id": "t2", "name": "now", "arguments": "{}"},
            }
            # The end of the HTTP message came with the last piece.
            await server.idle()
        assert server.connections == 1


@pytest.mark.parametrize("ends", [1, 2])
async def test_a_stream_cut_at_its_end(providers: ProvidersByApi, ends: int) -> None:
    """Without its usage an answer is whole and counted by size; without its stop it was cut."""
    async with asyncio.timeout(PATIENCE), fault_server(says(frames(STREAM[:-ends]))) as server:
        if ends == 1:
            assert fold(await answer_of(providers, bedrock(server.url), stream=True))[2:] == ("tool_calls", None)
        else:
            with pytest.raises(AttemptError) as caught:
                await answer_of(providers, bedrock(server.url), stream=True)
            assert caught.value.reason is FailureReason.CONNECTION_LOST


async def test_a_damaged_message_is_none(providers: ProvidersByApi) -> None:
    """Checksums are looked at."""
    message = bytearray(framed("messageStart", b'{"role": "assistant"}'))
    message[-6] ^= 1
    async with asyncio.timeout(PATIENCE), fault_server(says(FRAMES_HEAD + chunked(bytes(message)))) as server:
        with pytest.raises(AttemptError) as caught:
            await answer_of(providers, bedrock(server.url), stream=True)
    assert caught.value.reason is FailureReason.RESPONSE_INVALID


@pytest.mark.parametrize("key", ["access", "session"])
async def test_access_keys_sign_and_stay_here(
    providers: ProvidersByApi, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signature Version 4 over what arrived; the secret does not travel, and the environment has no say."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "stray")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASTRAY")
    async with asyncio.timeout(PATIENCE), fault_server(says(whole(orjson.dumps(ANSWER)))) as server:
        await providers.ask(bedrock(server.url, key_files=(key,)), Operation.CHAT, {"messages": MESSAGES})
        (request,) = server.requests
    assert SECRET not in f"{request}"
    assert "stray" not in f"{request}".lower()
    assert request.headers.get("x-amz-security-token") == ("token" if key == "session" else None)
    given = dict(part.split("=", 1) for part in request.headers["authorization"].split(" ", 1)[1].split(", "))
    scope = f"{request.headers['x-amz-date'][:8]}/eu-west-1/bedrock/aws4_request"
    assert given["Credential"].endswith(f"IOSFODNN7EXAMPLE/{scope}")
    assert given["Signature"] == signature(request, given["SignedHeaders"], scope)


def signature(request: Request, signed: str, scope: str) -> str:
    """Signature Version 4 by its description (AWS, "Create a signed AWS API request"), not by the library."""
    path = request.line.split()[1].replace("%", "%25")
    headers = "".join(f"{name}:{request.headers[name]}\n" for name in signed.split(";"))
    canonical = "\n".join(("POST", path, "", headers, signed, hashlib.sha256(request.body).hexdigest()))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(("AWS4-HMAC-SHA256", request.headers["x-amz-date"], scope, digest))
    key = f"AWS4{SECRET}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()
