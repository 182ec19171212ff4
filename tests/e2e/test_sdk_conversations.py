"""The official SDKs, unmodified, hold a conversation with tools and streaming through a whole platform.

Each says the same to the scripted model, which makes the two calls that the user commands and tells what they gave.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from ..gateway_client import SDK_RETRIES
from ..node_sdks import run_script

pytestmark = pytest.mark.e2e

COMMAND = 'Please.\ncall weather {"city": "Oslo"}\ncall clock {"city": "Oslo"}'
CALLS = [("weather", {"city": "Oslo"}), ("clock", {"city": "Oslo"})]
RESULTS = {"weather": "rain", "clock": "noon"}
TEXT = "The tools said: weather: rain; clock: noon"
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}


@pytest.fixture(scope="module")
def openai_url(platform) -> str:
    """Base URL of OpenAI's APIs."""
    return str(platform.status()["endpoints"]["openai"])


@pytest.fixture(scope="module")
def anthropic_url(openai_url) -> str:
    """Base URL of Anthropic's API, whose SDKs add the `/v1` themselves."""
    return openai_url.removesuffix("/v1")


@pytest.fixture(scope="module")
def token(platform) -> str:
    """An access token of a developer."""
    return str(platform.token("developer"))


@pytest.fixture(scope="module")
def sdk(openai_url, token) -> Iterator[openai.OpenAI]:
    """The official OpenAI SDK for Python."""
    with openai.OpenAI(base_url=openai_url, api_key=token, max_retries=SDK_RETRIES) as client:
        yield client


def test_python_chat_completions(sdk):
    """Two parallel calls come in a stream, their results go back, and the answer's stream ends with its usage."""
    tools: Any = [{"type": "function", "function": {"name": name, "parameters": PARAMETERS}} for name in RESULTS]
    messages: list[Any] = [{"role": "user", "content": COMMAND}]
    with sdk.chat.completions.stream(model="default", messages=messages, tools=tools) as stream:
        stream.until_done()
        first = stream.get_final_completion().choices[0]
    calls = first.message.tool_calls
    assert first.finish_reason == "tool_calls"
    assert [(call.function.name, json.loads(call.function.arguments)) for call in calls] == CALLS
    messages.append(first.message.model_dump(exclude={"parsed"}, exclude_none=True))
    messages += [{"role": "tool", "tool_call_id": call.id, "content": RESULTS[call.function.name]} for call in calls]
    for wanted in (True, False):
        options: Any = {"stream_options": {"include_usage": True}} if wanted else {}
        chunks = list(
            sdk.chat.completions.create(model="default", messages=messages, tools=tools, stream=True, **options)
        )
        assert "".join(part.choices[0].delta.content or "" for part in chunks if part.choices) == TEXT
        assert bool(chunks[-1].usage) is wanted


def test_python_structured_output(sdk):
    """`response_format` reaches the model, and the SDK parses what comes back; the headers tell how it was served."""
    form: Any = {
        "type": "json_schema",
        "json_schema": {"name": "said", "schema": {"type": "object", "properties": {"said": {"type": "string"}}}},
    }
    raw = sdk.chat.completions.with_raw_response.create(
        model="default", messages=[{"role": "user", "content": "hello"}], response_format=form
    )
    assert json.loads(raw.parse().choices[0].message.content) == {"said": "hello"}
    assert raw.headers["x-amas-call-id"]
    assert raw.headers["x-amas-attempts"] == "1"
    assert raw.headers["x-request-id"]
    assert sdk.models.retrieve("default").id == "default"
    assert len(sdk.embeddings.create(model="default", input="one").data[0].embedding) > 1


def test_python_responses(sdk):
    """The same conversation by the Responses API: streamed calls, results as items, a whole answer."""
    tools: Any = [{"type": "function", "name": name, "parameters": PARAMETERS, "strict": False} for name in RESULTS]
    items: list[Any] = [{"role": "user", "content": COMMAND}]
    with sdk.responses.stream(model="default", input=items, tools=tools) as stream:
        first = stream.get_final_response()
    calls = [item for item in first.output if item.type == "function_call"]
    assert [(call.name, json.loads(call.arguments)) for call in calls] == CALLS
    items += [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in first.output]
    items += [{"type": "function_call_output", "call_id": call.call_id, "output": RESULTS[call.name]} for call in calls]
    last = sdk.responses.create(model="default", input=items, tools=tools)
    assert (last.output_text, last.status) == (TEXT, "completed")
    assert last.usage.total_tokens > 0
    with sdk.responses.stream(model="default", input=items, tools=tools) as stream:
        assert "".join(event.delta for event in stream if event.type == "response.output_text.delta") == TEXT


def test_python_messages(anthropic_url, token):
    """The same conversation by Anthropic's Messages, with the access token as its API key."""
    tools: Any = [{"name": name, "input_schema": PARAMETERS} for name in RESULTS]
    messages: list[Any] = [{"role": "user", "content": COMMAND}]
    asked: Any = {"model": "default", "max_tokens": 256, "tools": tools}
    with anthropic.Anthropic(base_url=anthropic_url, api_key=token, max_retries=SDK_RETRIES) as client:
        with client.messages.stream(messages=messages, **asked) as stream:
            first = stream.get_final_message()
        calls = [block for block in first.content if block.type == "tool_use"]
        assert first.stop_reason == "tool_use"
        assert [(call.name, call.input) for call in calls] == CALLS
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": RESULTS[call.name]} for call in calls]
        messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
        with client.messages.stream(messages=messages, **asked) as stream:
            assert "".join(stream.text_stream) == TEXT
            assert stream.get_final_message().usage.input_tokens > 0
        with pytest.raises(anthropic.NotFoundError) as refused:
            client.messages.create(messages=messages, **{**asked, "model": "no-such-route"})
        assert refused.value.type == "not_found_error"
    with (
        anthropic.Anthropic(base_url=anthropic_url, api_key="nonsense", max_retries=0) as client,
        pytest.raises(anthropic.AuthenticationError),
    ):
        client.messages.create(messages=messages, **asked)


def test_node_openai(openai_url, token):
    """The Node SDK holds both conversations, lists models, gets vectors, and raises its own errors."""
    seen = run_script("openai.cjs", AMAS_URL=openai_url, AMAS_TOKEN=token)
    calls = [list(call) for call in CALLS]
    assert (seen["chat"]["calls"], seen["chat"]["finish"], seen["chat"]["text"]) == (calls, "tool_calls", TEXT)
    assert (seen["responses"]["calls"], seen["responses"]["text"]) == (calls, TEXT)
    assert {"response.created", "response.function_call_arguments.delta", "response.completed"} <= set(
        seen["responses"]["kinds"]
    )
    assert min(seen["chat"]["tokens"], seen["responses"]["tokens"]) > 0
    assert "default" in seen["rest"]["names"]
    assert len(seen["rest"]["vectors"]) == 2
    assert min(seen["rest"]["vectors"]) > 1
    assert seen["rest"]["refused"] == {"notFound": True, "type": "not_found_error", "id": True}


def test_node_anthropic(anthropic_url, token):
    """The Node SDK of Anthropic holds the conversation and raises its own errors."""
    seen = run_script("anthropic.cjs", AMAS_URL=anthropic_url, AMAS_TOKEN=token)
    assert (seen["calls"], seen["stop"], seen["text"]) == ([list(call) for call in CALLS], "tool_use", TEXT)
    assert seen["tokens"] > 0
    assert seen["refused"] == {"notFound": True, "id": True}
