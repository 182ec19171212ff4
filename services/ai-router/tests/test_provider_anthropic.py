"""Answers and streams of Anthropic's Messages API as Chat Completions: its documented shapes, and over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from amas_ai_router.adapters.key_files import KeyFiles
from amas_ai_router.adapters.providers import anthropic_native
from amas_ai_router.adapters.providers.anthropic_translate import Events, from_message
from amas_ai_router.adapters.providers.by_api import ProvidersByApi
from amas_ai_router.domain.bodies import finish_reason, parse_answer, reported_tokens
from amas_ai_router.domain.errors import AttemptError, FailureReason, RejectedError
from amas_ai_router.domain.model import Operation, Tokens
from amas_ai_router.domain.stream_chunks import parse_chunk

from tests.fault_server import events, fault_server, says, whole

from .provider_calls import BOUND, PATIENCE, answer_of, make_target
from .test_provider_anthropic_request import translated

USAGE = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 3,
    "cache_read_input_tokens": 7,
    "output_tokens": 5,
    "output_tokens_details": {"thinking_tokens": 2},
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": USAGE,
}


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
    ],
)
def test_a_whole_answer(stop: str, finish: str) -> None:
    """Texts, thoughts and calls in their places; all input is prompt, and what came from the cache is part of it."""
    content = [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "hi "},
        {"type": "text", "text": "you"},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}},
        {"type": "something_new"},
    ]
    made = from_message({**MESSAGE, "content": content, "stop_reason": stop}, 1)
    fields = parse_answer(Operation.CHAT, made.body)
    message = fields["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"], finish_reason(fields)) == ("hi you", "hm", finish)
    assert message["tool_calls"] == [
        {"id": "toolu_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
    ]
    assert reported_tokens(fields) == Tokens(input=20, cached_input=7, output=5)
    assert fields["usage"]["completion_tokens_details"] == {"reasoning_tokens": 2}


STREAM: list[dict[str, Any]] = [
    {
        "type": "message_start",
        "message": {**MESSAGE, "content": [], "usage": {**USAGE, "output_tokens": 1}},
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Let me"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " see"}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "content_block_start",
        "index": 1,
        "content_block": {"type": "tool_use", "id": "t1", "name": "weather"},
    },
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"city":'}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": ' "Oslo"}'}},
    {"type": "content_block_stop", "index": 1},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "tool_use", "id": "t2", "name": "now"},
    },
    {"type": "content_block_stop", "index": 2},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use"},
        "usage": {"output_tokens": 42},
    },
    {"type": "message_stop"},
]


def fold(chunks: list[bytes]) -> tuple[str, dict[int, dict[str, str]], str, Tokens | None]:
    """Text, calls by their index, finish and usage, put together as a client does."""
    text, finish, tokens = "", "", None
    calls: dict[int, dict[str, str]] = {}
    for data in chunks:
        chunk = parse_chunk(data)
        finish, tokens = chunk.finish_reason or finish, chunk.tokens or tokens
        for choice in orjson.loads(data)["choices"]:
            text += choice["delta"].get("content") or ""
            for call in choice["delta"].get("tool_calls", ()):
                known = calls.setdefault(call["index"], {"arguments": ""})
                known.update({key: call[key] for key in ("id",) if key in call})
                known.update({key: call["function"][key] for key in ("name",) if key in call["function"]})
                known["arguments"] += call["function"]["arguments"]
    return text, calls, finish, tokens


def test_a_stream_with_parallel_tools() -> None:
    """Arguments come in pieces, calls are counted as OpenAI does, and the last chunk holds the usage alone."""
    stream = Events(1, reports_usage=True)
    chunks = [chunk for event in STREAM for chunk in stream.feed(event)]
    text, calls, finish, tokens = fold(chunks)
    assert (text, finish, stream.done) == ("Let me see", "tool_calls", True)
    assert calls == {
        0: {"id": "t1", "name": "weather", "arguments": '{"city": "Oslo"}'},
        1: {"id": "t2", "name": "now", "arguments": "{}"},
    }
    assert tokens == Tokens(input=20, cached_input=7, output=42)
    assert parse_chunk(chunks[-1]).usage_only
    assert not parse_chunk(chunks[0]).begins
    quiet = Events(1, reports_usage=False)
    assert len([chunk for event in STREAM for chunk in quiet.feed(event)]) == len(chunks) - 1


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("overloaded_error", FailureReason.SERVER_ERROR), ("rate_limit_error", FailureReason.RATE_LIMITED)],
)
def test_an_error_event(kind: str, reason: FailureReason) -> None:
    """It may have been billed: the stream had begun."""
    with pytest.raises(AttemptError) as caught:
        Events(1, reports_usage=True).feed({"type": "error", "error": {"type": kind, "message": "secret words"}})
    assert (caught.value.reason, caught.value.processed) == (reason, True)
    assert "secret words" not in str(caught.value)


@pytest_asyncio.fixture
async def providers(tmp_path: Path) -> AsyncIterator[ProvidersByApi]:
    """All providers, with one key."""
    (tmp_path / "key").write_text("sk-ant")
    made = ProvidersByApi(KeyFiles(tmp_path), max_response_bytes=BOUND, connect_timeout=PATIENCE)
    yield made
    await made.close()


@pytest.mark.parametrize("base", ["", "/v1"])
async def test_over_the_wire(providers: ProvidersByApi, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One request, with our key, the configured version and nothing from the environment."""
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Stray: yes")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "sk-stray")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with asyncio.timeout(PATIENCE), fault_server(says(whole(orjson.dumps(MESSAGE)))) as server:
        target = make_target("anthropic", server.url + base, api_version="2023-06-01")
        body = await answer_of(providers, target, stream=False)
        (request,) = server.requests
    assert orjson.loads(body[0])["choices"][0]["message"]["content"] == "hi"
    assert request.line == "POST /v1/messages HTTP/1.1"
    assert orjson.loads(request.body) == {**translated(max_tokens=100), "stream": False}
    assert "sk-ant" in request.headers.get("x-api-key", request.headers.get("authorization", ""))
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert request.headers["accept-encoding"] == "identity"
    assert "x-stray" not in request.headers
    assert "sk-stray" not in str(request.headers)


async def test_streams_over_the_wire_share_a_connection(
    providers: ProvidersByApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks as they come; a stream read to its end leaves its connection to the next."""
    monkeypatch.setattr(anthropic_native, "LINGER_SECONDS", PATIENCE)
    async with asyncio.timeout(PATIENCE), fault_server(says(events(*map(orjson.dumps, STREAM)))) as server:
        target = make_target("anthropic", server.url)
        for _ in range(2):
            text, calls, finish, tokens = fold(await answer_of(providers, target, stream=True))
            assert (text, len(calls), finish) == ("Let me see", 2, "tool_calls")
            assert tokens == Tokens(input=20, cached_input=7, output=42)
        assert server.connections == 1
        assert orjson.loads(server.requests[0].body)["stream"] is True


async def test_a_stream_cut_before_its_message_is_whole(providers: ProvidersByApi) -> None:
    """The finish alone is not the end: the usage comes behind it."""
    async with asyncio.timeout(PATIENCE), fault_server(says(events(*map(orjson.dumps, STREAM[:-1])))) as server:
        with pytest.raises(AttemptError) as caught:
            await answer_of(providers, make_target("anthropic", server.url), stream=True)
    assert caught.value.reason is FailureReason.CONNECTION_LOST


async def test_a_refusal_is_passed_on(providers: ProvidersByApi) -> None:
    """The provider's own error object, as with every other API."""
    body = b'{"type": "error", "error": {"type": "invalid_request_error", "message": "too long"}}'
    async with asyncio.timeout(PATIENCE), fault_server(says(whole(body, status="400 No"))) as server:
        with pytest.raises(RejectedError) as caught:
            await answer_of(providers, make_target("anthropic", server.url), stream=False)
    assert orjson.loads(caught.value.error_json) == {"type": "invalid_request_error", "message": "too long"}


async def test_without_a_key_or_for_embeddings_another_target_is_asked(providers: ProvidersByApi) -> None:
    """Neither is a thing that the caller could mend."""
    with pytest.raises(AttemptError) as caught:
        await answer_of(providers, make_target("anthropic", "http://127.0.0.1:1", key_files=()), stream=False)
    assert caught.value.reason is FailureReason.KEY_MISSING
    with pytest.raises(AttemptError) as caught:
        await providers.ask(make_target("anthropic", "http://127.0.0.1:1"), Operation.EMBEDDINGS, {"input": "x"})
    assert caught.value.reason is FailureReason.API_UNSUPPORTED
