"""Anthropic's Messages API: its requests and answers, held against the official SDK's own types."""

from __future__ import annotations

import json
from typing import Any

import pytest
from amas_chassis.errors import AmasError
from amas_gateway.entrypoints.model_api.messages.answer import to_message
from amas_gateway.entrypoints.model_api.messages.events import MessageTelling
from amas_gateway.entrypoints.model_api.messages.request import to_chat
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from .chunks import call, chunk, completion, two_calls, usage_chunk

EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
WEATHER: Any = {"name": "weather", "description": "Weather", "input_schema": {"type": "object"}}
ASK: dict[str, Any] = {"model": "default", "max_tokens": 64}
HI: Any = [{"role": "user", "content": "hi"}]


def events_of(telling: MessageTelling, chunks: list[bytes]) -> list[dict[str, Any]]:
    """All events of a stream but pings, each held against the SDK's types."""
    raw = telling.begun() + b"".join(telling.chunk(data) for data in chunks) + telling.ended()
    events = []
    for block in raw.decode().strip().split("\n\n"):
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        if event["type"] != "ping":
            EVENT.validate_python(event)
            events.append(event)
    return events


def test_a_conversation_becomes_chat_messages() -> None:
    """Every block reaches the model: results directly after their calls, images of tools with the user's."""
    source = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    chat = to_chat(
        {
            "model": "default",
            "max_tokens": 64,
            "stream": True,
            "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            "stop_sequences": ["END"],
            "tools": [WEATHER],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
            "metadata": {"user_id": "u1"},
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Oslo?"}]},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "hm", "signature": "s"},
                        {"type": "text", "text": "Looking."},
                        {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "Oslo"}},
                        {"type": "tool_use", "id": "b", "name": "clock", "input": {}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "a",
                            "content": [{"type": "text", "text": "rain"}, {"type": "image", "source": source}],
                        },
                        {"type": "tool_result", "tool_use_id": "b", "content": "no clock", "is_error": True},
                        {"type": "text", "text": "Well?"},
                    ],
                },
            ],
        }
    )
    assert chat == {
        "model": "default",
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 64,
        "stop": ["END"],
        "user": "u1",
        "parallel_tool_calls": False,
        "tool_choice": "required",
        "tools": [
            {
                "type": "function",
                "function": {"name": "weather", "description": "Weather", "parameters": {"type": "object"}},
            }
        ],
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Oslo?"},
            {
                "role": "assistant",
                "content": "Looking.",
                "tool_calls": [call("a", "weather", '{"city":"Oslo"}'), call("b", "clock", "{}")],
            },
            {"role": "tool", "tool_call_id": "a", "content": "rain"},
            {"role": "tool", "tool_call_id": "b", "content": "The tool failed: no clock"},
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                    {"type": "text", "text": "Well?"},
                ],
            },
        ],
    }


def block(found: object, role: str = "user") -> dict[str, Any]:
    """A request with one block."""
    return {"messages": [{"role": role, "content": [found]}]}


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [5]}, "messages[0]"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
        (block({"type": "search_result"}), "messages[0].content[0].type"),
        (block({"type": "image", "source": {"type": "file", "file_id": "f"}}), "messages[0].content[0].source.type"),
        (block({"type": "document", "source": {"type": "url"}}), "messages[0].content[0].source.type"),
        (block({"type": "tool_result", "content": "x"}), "messages[0].content[0].tool_use_id"),
        (block({"type": "server_tool_use"}, "assistant"), "messages[0].content[0].type"),
        (block({"type": "tool_use", "id": "a", "name": "x"}, "assistant"), "messages[0].content[0].input"),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools[0].type"),
        ({"tools": [WEATHER], "tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"tools": [WEATHER], "tool_choice": {"type": []}}, "tool_choice.type"),
        ({"tools": [WEATHER], "tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"stop_sequences": "END"}, "stop_sequences"),
        ({"mcp_servers": [{}]}, "mcp_servers"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
        ({"system": [{"type": "image"}]}, "system[0].type"),
    ],
)
def test_what_cannot_be_served_is_named(extra: dict[str, Any], param: str) -> None:
    """I11: a field that would be left out in silence is a 400 that names it."""
    with pytest.raises(AmasError) as refused:
        to_chat({**ASK, "messages": HI, **extra})
    assert refused.value.violations[0].field == param


def test_a_whole_answer_has_the_sdks_shape() -> None:
    """Text, parallel calls with parsed input, and tokens as Anthropic counts them."""
    message = {
        "content": "Looking.",
        "reasoning_content": "hm",
        "tool_calls": [call("a", "weather", '{"city":"Oslo"}'), call("b", "clock", "")],
    }
    answer = Message.model_validate(to_message(ASK, completion(message, "tool_calls")), strict=True)
    assert [entry.type for entry in answer.content] == ["text", "tool_use", "tool_use"]
    assert [entry.input for entry in answer.content if entry.type == "tool_use"] == [{"city": "Oslo"}, {}]
    assert (answer.stop_reason, answer.role, answer.model) == ("tool_use", "assistant", "gpt-5-mini")
    assert (answer.usage.input_tokens, answer.usage.cache_read_input_tokens, answer.usage.output_tokens) == (7, 3, 4)
    asked = {**ASK, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    thought = Message.model_validate(to_message(asked, completion(message)), strict=True)
    assert thought.content[0].type == "thinking"


@pytest.mark.parametrize("arguments", ["{", "[]", "5"])
def test_arguments_that_are_none_are_an_error(arguments: str) -> None:
    """A call with broken arguments never becomes one with an empty input."""
    with pytest.raises(AmasError) as failed:
        to_message(ASK, completion({"tool_calls": [call("a", "drop", arguments)]}, "tool_calls"))
    assert failed.value.reason == "MODEL_RESPONSE_INVALID"


@pytest.mark.parametrize(
    ("message", "choice", "stop"),
    [
        ({"content": "x"}, {"finish": "stop"}, "end_turn"),
        ({"content": "x"}, {"finish": "length"}, "max_tokens"),
        ({"content": "x"}, {"finish": "content_filter"}, "refusal"),
        ({"refusal": "no"}, {"finish": "stop"}, "refusal"),
        ({"content": "x"}, {"finish": "stop", "stop_reason": "END"}, "stop_sequence"),
        ({"tool_calls": [call("a", "clock", "{}", 0)]}, {"finish": "stop"}, "tool_use"),
    ],
)
def test_stop_reasons(message: dict[str, Any], choice: dict[str, Any], stop: str) -> None:
    """Why the model stopped is told the same, whole and streamed."""
    request = {**ASK, "stop_sequences": ["END"]}
    assert to_message(request, completion(message, **choice))["stop_reason"] == stop
    events = events_of(MessageTelling(request), [chunk(message, **choice)])
    assert events[-2]["delta"]["stop_reason"] == stop


def test_a_stream_has_the_real_sequence() -> None:
    """Blocks follow one another, also where a provider sends pieces of two calls in turn; usage is in message_delta."""
    events = events_of(MessageTelling(ASK), two_calls())
    assert [(event["type"], event.get("index")) for event in events] == [
        ("message_start", None),
        ("content_block_start", 0),
        ("content_block_delta", 0),
        ("content_block_delta", 0),
        ("content_block_stop", 0),
        ("content_block_start", 1),
        ("content_block_delta", 1),
        ("content_block_delta", 1),
        ("content_block_stop", 1),
        ("content_block_start", 2),
        ("content_block_delta", 2),
        ("content_block_stop", 2),
        ("message_delta", None),
        ("message_stop", None),
    ]
    assert events[-2]["usage"]["input_tokens"] == 7
    pieces = [event["delta"].get("partial_json") for event in events if event["type"] == "content_block_delta"]
    assert pieces[2:] == ['{"city":', '"Oslo"}', "{}"]


def test_thinking_comes_only_when_asked_for() -> None:
    """A client that did not ask for thinking gets no such block."""
    chunks = [chunk({"reasoning_content": "hm"}), chunk({"content": "x"}, "stop")]
    asked = {**ASK, "thinking": {"type": "adaptive"}}
    kinds = [
        [
            event["content_block"]["type"]
            for event in events_of(MessageTelling(request), chunks)
            if "content_block" in event
        ]
        for request in (ASK, asked)
    ]
    assert kinds == [["text"], ["thinking", "text"]]


@pytest.mark.parametrize("bad", [b"{", b"[]", chunk({"tool_calls": [{"index": "x"}]}), chunk({"tool_calls": [{}]})])
def test_a_chunk_that_is_none_is_an_error(bad: bytes) -> None:
    """What cannot be told is not left out."""
    with pytest.raises(AmasError) as failed:
        MessageTelling(ASK).chunk(bad)
    assert failed.value.reason == "MODEL_RESPONSE_INVALID"


def test_calls_that_never_end_are_bounded() -> None:
    """A provider cannot make the gateway keep more than a bound."""
    telling = MessageTelling(ASK)
    telling.chunk(chunk({"tool_calls": [call("a", "x", "", 0)]}))
    piece = "x" * (1024 * 1024)

    def flood() -> None:
        for _ in range(5):
            telling.chunk(chunk({"tool_calls": [call("b", "y", piece, 1)]}))

    with pytest.raises(AmasError):
        flood()


def test_usage_comes_from_the_last_chunk_that_has_it() -> None:
    """Usage that comes alone at the end is the message's."""
    events = events_of(MessageTelling(ASK), [chunk({"content": "x"}, "stop"), usage_chunk()])
    assert events[-2]["usage"]["output_tokens"] == 4
