"""Chat Completions requests as Anthropic's Messages API knows them, and what it has no words for."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from amas_ai_router.adapters.providers.anthropic_translate import to_messages
from amas_ai_router.adapters.providers.chat_request import read_chat
from amas_ai_router.domain.errors import RejectedError

from .fakes import MESSAGES

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "weather", "description": "d", "parameters": SCHEMA, "strict": True}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
PLAIN_IMAGE = {"type": "image_url", "image_url": {"url": "http://x"}}
BAD_CALL = {"id": "a", "function": {"name": "f", "arguments": "[]"}}


def translated(**fields: Any) -> dict[str, Any]:
    """A request as it would be sent."""
    return to_messages(read_chat({"model": "route", "messages": MESSAGES, **fields}), model="m", most_tokens=64)


def test_a_plain_request() -> None:
    """A bound of the answer is required there; the caller's own goes before the model's."""
    assert translated() == {
        "model": "m",
        "max_tokens": 64,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}],
    }
    assert translated(max_tokens=5)["max_tokens"] == 5
    assert translated(max_completion_tokens=7)["max_tokens"] == 7
    assert translated(max_completion_tokens=7, max_tokens=6)["max_tokens"] == 6


def test_a_conversation_with_parallel_tools_and_an_image() -> None:
    """Results of parallel calls are one turn, what the user adds stands behind them, and instructions lead."""
    calls = [
        {"id": f"call_{i}", "type": "function", "function": {"name": "weather", "arguments": arguments}}
        for i, arguments in enumerate(('{"city": "Oslo"}', ""))
    ]
    body = translated(
        messages=[
            {"role": "system", "content": "be brief"},
            {"role": "developer", "content": [{"type": "text", "text": "be kind"}]},
            {
                "role": "user",
                "content": [{"type": "text", "text": "look"}, IMAGE],
            },
            {"role": "assistant", "content": None, "tool_calls": calls, "refusal": None},
            {"role": "tool", "tool_call_id": "call_0", "content": "rain"},
            {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "sun"}]},
            {"role": "user", "content": "and?"},
            {"role": "system", "content": "now in French"},
        ]
    )
    assert body["system"] == [{"type": "text", "text": "be brief"}, {"type": "text", "text": "be kind"}]
    image = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "look"}, {"type": "image", "source": image}]},
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "call_0", "name": "weather", "input": {"city": "Oslo"}},
                {"type": "tool_use", "id": "call_1", "name": "weather", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_0", "content": [{"type": "text", "text": "rain"}]},
                {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "sun"}]},
                {"type": "text", "text": "and?"},
            ],
        },
        {"role": "system", "content": [{"type": "text", "text": "now in French"}]},
    ]


@pytest.mark.parametrize(
    ("choice", "parallel", "told"),
    [
        (None, None, None),
        ("auto", None, {"type": "auto"}),
        ("none", False, {"type": "none"}),
        ("required", None, {"type": "any"}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        ({"type": "function", "function": {"name": "weather"}}, None, {"type": "tool", "name": "weather"}),
    ],
)
def test_tools_and_their_choice(choice: Any, parallel: bool | None, told: dict[str, Any] | None) -> None:
    """Every choice has its counterpart."""
    body = translated(tools=[TOOL], tool_choice=choice, parallel_tool_calls=parallel)
    assert body["tools"] == [{"name": "weather", "description": "d", "input_schema": SCHEMA, "strict": True}]
    assert body.get("tool_choice") == told


def test_the_other_parameters() -> None:
    """Each by its name there; what cannot change an answer may be left out."""
    body = translated(
        stop=["a", "b"],
        temperature=0.5,
        top_p=0.9,
        user="u",
        reasoning_effort="low",
        response_format={"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": SCHEMA}},
        n=1,
        logprobs=False,
        seed=None,
        store=False,
        stream_options={"include_usage": True},
    )
    assert body["stop_sequences"] == ["a", "b"]
    assert (body["temperature"], body["top_p"], body["metadata"]) == (0.5, 0.9, {"user_id": "u"})
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}, "effort": "low"}
    assert translated(stop="a")["stop_sequences"] == ["a"]
    assert not {"n", "logprobs", "seed", "store", "stream_options"} & set(body)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"seed": 1}, "seed"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"x_unknown": 0}, "x_unknown"),
        ({"max_tokens": 0}, "max_completion_tokens"),
        ({"max_tokens": "5"}, "max_completion_tokens"),
        ({"reasoning_effort": "minimal"}, "reasoning_effort"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"response_format": "text!"}, "response_format"),
        ({"tools": {"a": 1}}, "tools"),
        ({"tools": [{"type": "custom"}]}, "tools"),
        ({"tools": [TOOL], "tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        ({"messages": ["hello"]}, "messages[0]"),
        ({"messages": [{"role": "narrator", "content": "x"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": "x", "name": "Ann"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages[0]"),
        (
            {"messages": [{"role": "user", "content": [PLAIN_IMAGE]}]},
            "messages[0]",
        ),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0]"),
        ({"messages": [{"role": "assistant", "tool_calls": 5}]}, "messages[0]"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [BAD_CALL]}]},
            "messages[0]",
        ),
        ({"messages": [{"role": "assistant", "audio": {"id": "a"}}]}, "messages[0]"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_its_name(fields: dict[str, Any], param: str) -> None:
    """Never dropped: an error as OpenAI words it, which says what to leave out."""
    with pytest.raises(RejectedError) as caught:
        translated(**fields)
    error = orjson.loads(caught.value.error_json)
    assert (caught.value.status, error["type"], error["param"]) == (400, "invalid_request_error", param)
