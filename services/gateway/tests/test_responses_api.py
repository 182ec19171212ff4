"""The Responses API through the official SDK and held against the SDK's own types."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from amas_chassis.errors import AmasError, ErrorKind
from amas_gateway.domain.model import Billed, Report, StreamEnd
from amas_gateway.entrypoints.model_api.responses.answer import to_response
from amas_gateway.entrypoints.model_api.responses.events import ResponseTelling
from amas_gateway.entrypoints.model_api.responses.request import to_chat
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from .chunks import call, chunk, completion, parts, two_calls, usage_chunk
from .live import CLIENT_SECONDS, serving
from .world import World

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": True}
PNG = "data:image/png;base64,AAAA"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def url(world: World) -> AsyncIterator[str]:
    async with serving(world) as url:
        yield url


@pytest.fixture
async def sdk(url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="developer", max_retries=0) as sdk:
        yield sdk


def events_of(telling: ResponseTelling, chunks: list[bytes]) -> list[dict[str, Any]]:
    """All events of a stream, each held against the SDK's strict types."""
    raw = telling.begun() + b"".join(telling.chunk(data) for data in chunks) + telling.ended()
    events = []
    for block in raw.decode().strip().split("\n\n"):
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        EVENT.validate_python(event)
        events.append(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def test_a_conversation_becomes_chat_messages() -> None:
    """Every item of a stateless conversation reaches the model, calls and their results bound to one another."""
    chat = to_chat(
        {
            "model": "default",
            "instructions": "Be brief.",
            "input": [
                {"role": "user", "content": "Oslo?"},
                {"type": "reasoning", "id": "rs_1", "summary": []},
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "Looking.", "annotations": []}],
                },
                {"type": "function_call", "call_id": "a", "name": "weather", "arguments": "{}"},
                {"type": "function_call", "call_id": "b", "name": "clock", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "a", "output": "rain"},
                {"type": "function_call_output", "call_id": "b", "output": [{"type": "input_text", "text": "noon"}]},
                {
                    "type": "message",
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "And this?"},
                        {"type": "input_image", "image_url": PNG, "detail": "low"},
                    ],
                },
            ],
            "tools": [WEATHER],
            "tool_choice": {"type": "function", "name": "weather"},
            "parallel_tool_calls": False,
            "reasoning": {"effort": "low"},
            "max_output_tokens": 50,
            "text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}, "strict": True}},
            "store": False,
            "metadata": {"a": "b"},
            "stream": True,
        }
    )
    assert chat == {
        "model": "default",
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 50,
        "reasoning_effort": "low",
        "parallel_tool_calls": False,
        "tools": [
            {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}, "strict": True}}
        ],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "x", "schema": {"type": "object"}, "strict": True},
        },
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Oslo?"},
            {
                "role": "assistant",
                "content": [{"type": "text", "text": "Looking."}],
                "tool_calls": [call("a", "weather", "{}"), call("b", "clock", "{}")],
            },
            {"role": "tool", "tool_call_id": "a", "content": "rain"},
            {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "noon"}]},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "And this?"},
                    {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
                ],
            },
        ],
    }


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"background": True}, "background"),
        ({"truncation": "auto"}, "truncation"),
        ({"no_such_field": 1}, "no_such_field"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": "all"}, "tools"),
        ({"tool_choice": {"type": "mcp"}, "tools": [WEATHER]}, "tool_choice.type"),
        ({"include": ["file_search_call.results"]}, "include[0]"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format.type"),
        ({"input": None}, "input"),
        ({"input": [5]}, "input[0]"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": [], "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": [{"type": {}}]}]}, "input[0].content[0].type"),
        ({"include": [{}]}, "include[0]"),
        ({"input": [{"role": "user", "content": []}]}, "input[0].content"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"),
        ({"input": [{"type": "web_search_call", "id": "x"}]}, "input[0].type"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input[0].content[0].file_id",
        ),
    ],
)
def test_what_cannot_be_served_is_named(extra: dict[str, Any], param: str) -> None:
    """I11: a field that would be left out in silence is a 400 that names it."""
    with pytest.raises(AmasError) as refused:
        to_chat({"model": "default", "input": "hi", **extra})
    assert refused.value.violations[0].field == param


def test_a_whole_answer_has_the_sdks_shape() -> None:
    """Reasoning, text, refusal-free message, parallel calls and usage are where the SDK's types want them."""
    message = {
        "content": "Looking.",
        "reasoning_content": "hm",
        "tool_calls": [call("a", "weather", '{"city":"Oslo"}'), call("b", "clock", "{}")],
    }
    request = {"model": "default", "input": "x", "tools": [WEATHER], "metadata": {"k": "v"}}
    answer = Response.model_validate(to_response(request, completion(message, "tool_calls")), strict=True)
    assert [item.type for item in answer.output] == ["reasoning", "message", "function_call", "function_call"]
    assert answer.output_text == "Looking."
    assert (answer.status, answer.model, answer.metadata) == ("completed", "gpt-5-mini", {"k": "v"})
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.input_tokens_details.cached_tokens) == (10, 3)
    assert (answer.usage.output_tokens, answer.usage.output_tokens_details.reasoning_tokens) == (4, 1)
    assert len({item.id for item in answer.output}) == 4


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        ("stop", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
    ],
)
def test_an_answer_that_was_cut_says_so(finish: str, status: str, reason: str | None) -> None:
    """A cut answer is never `completed`, whole or streamed."""
    whole = to_response({"model": "default"}, completion({"content": "x"}, finish))
    last = events_of(ResponseTelling({"model": "default"}), [chunk({"content": "x"}, finish)])[-1]
    assert last["type"] == f"response.{status}"
    for answer in (whole, last["response"]):
        assert answer["status"] == status
        assert (answer["incomplete_details"] or {}).get("reason") == reason


def test_a_stream_has_the_real_sequence() -> None:
    """Item, part, deltas, part's end, item's end; calls that come in turn do not mix."""
    events = events_of(ResponseTelling({"model": "default"}), two_calls())
    assert [event["type"].removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    output = events[-1]["response"]["output"]
    assert [item.get("arguments") for item in output] == [None, '{"city":"Oslo"}', "{}"]
    assert events[-1]["response"]["usage"]["total_tokens"] == 14


def test_reasoning_and_refusal_are_items_and_parts_of_their_own() -> None:
    """What a model thinks never becomes what it says."""
    chunks = [
        chunk({"reasoning_content": "hm"}),
        chunk({"content": "No"}),
        chunk({"refusal": "sorry"}),
        chunk({}, "stop"),
    ]
    output = events_of(ResponseTelling({"model": "default"}), chunks)[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["reasoning", "message"]
    assert output[0]["content"][0]["text"] == "hm"
    assert [part["type"] for part in output[1]["content"]] == ["output_text", "refusal"]


@pytest.mark.parametrize("bad", [b"{", b"[]", chunk({"tool_calls": [{"index": "x"}]}), chunk({"tool_calls": [{}]})])
def test_a_chunk_that_is_none_is_an_error(bad: bytes) -> None:
    """What cannot be told is not left out."""
    with pytest.raises(AmasError) as failed:
        ResponseTelling({"model": "default"}).chunk(bad)
    assert failed.value.reason == "MODEL_RESPONSE_INVALID"


async def test_the_sdk_reads_answer_and_stream(world: World, sdk: openai.AsyncOpenAI) -> None:
    """The official SDK's own accumulation of the stream agrees with the whole answer."""
    world.models.body = completion({"content": "Looking."})
    whole = await sdk.responses.create(model="default", input="hi")
    assert whole.output_text == "Looking."
    world.models.parts = [*parts(two_calls()), StreamEnd(Report("call-1"))]
    async with sdk.responses.stream(model="default", input="hi") as stream:
        async for _ in stream:
            pass
        final = await stream.get_final_response()
    assert final.output_text == "Looking."
    assert [item.name for item in final.output if item.type == "function_call"] == ["weather", "clock"]
    assert json.loads(world.models.calls[-1][2].body)["stream_options"] == {"include_usage": True}


async def test_a_broken_stream_fails(world: World, sdk: openai.AsyncOpenAI) -> None:
    """A break after the first token is `response.failed` with what was delivered and billed, never `completed`."""
    report = Report("call-9", "openai", "gpt-5-mini", 1, billed=Billed(10, 2, "0.001", "USD", estimated=True))
    world.models.parts = [*parts([chunk({"content": "he"})]), StreamEnd(report, "CONNECTION_LOST", "it broke")]
    events = [event async for event in await sdk.responses.create(model="default", input="hi", stream=True)]
    assert events[-1].type == "response.failed"
    error = events[-1].response.error
    assert error is not None
    told = error.model_dump()
    assert (told["code"], told["reason"], told["call_id"]) == ("server_error", "connection_lost", "call-9")
    assert told["delivered"] == {"chunks": 1}
    assert told["billed"]["cost"] == {"amount": "0.001", "currency": "USD"}
    assert events[-1].response.output_text == "he"


async def test_errors_are_openais(world: World, url: str, sdk: openai.AsyncOpenAI) -> None:
    """Refusals before the first token are the SDK's typed errors; what is not offered says so."""
    world.models.error = AmasError(ErrorKind.NOT_FOUND, "ROUTE_UNKNOWN", "no such model route")
    with pytest.raises(openai.NotFoundError):
        await sdk.responses.create(model="none", input="hi")
    with pytest.raises(openai.BadRequestError) as bad:
        await sdk.responses.create(model="default", input="hi", previous_response_id="resp_1")
    assert bad.value.param == "previous_response_id"
    with pytest.raises(openai.NotFoundError):
        await sdk.responses.retrieve("resp_1")
    async with httpx.AsyncClient(base_url=url, timeout=CLIENT_SECONDS) as client:
        assert (await client.post("/v1/responses", json={})).json()["error"]["code"] == "token_missing"


def test_usage_is_taken_from_the_last_chunk_that_has_it() -> None:
    """Usage that comes alone at the end is the response's."""
    last = events_of(ResponseTelling({"model": "default"}), [chunk({"content": "x"}, "stop"), usage_chunk()])[-1]
    assert last["response"]["usage"]["input_tokens"] == 10
