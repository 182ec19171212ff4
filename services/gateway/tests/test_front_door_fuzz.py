"""Whatever JSON a client or a provider sends, a front door answers or refuses: it never falls over."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from amas_chassis.errors import AmasError
from amas_gateway.entrypoints.model_api.exchange import Exchange, Telling
from amas_gateway.entrypoints.model_api.messages import answer as messages_answer
from amas_gateway.entrypoints.model_api.messages import events as messages_events
from amas_gateway.entrypoints.model_api.messages import request as messages_request
from amas_gateway.entrypoints.model_api.messages.front_door import read_message
from amas_gateway.entrypoints.model_api.openai_errors import openai_status
from amas_gateway.entrypoints.model_api.responses import answer as responses_answer
from amas_gateway.entrypoints.model_api.responses import events as responses_events
from amas_gateway.entrypoints.model_api.responses import request as responses_request
from amas_gateway.entrypoints.model_api.responses.front_door import read_response
from hypothesis import given, settings
from hypothesis import strategies as st

# Hundreds of examples take as long as the machine lets them.
pytestmark = pytest.mark.timeout(300)

# The words of all these APIs, so that what is made up comes far.
NAMES = (
    "type",
    "role",
    "content",
    "text",
    "input",
    "output",
    "tools",
    "tool_choice",
    "name",
    "input_schema",
    "parameters",
    "arguments",
    "call_id",
    "id",
    "tool_use_id",
    "source",
    "data",
    "media_type",
    "url",
    "image_url",
    "instructions",
    "system",
    "messages",
    "format",
    "schema",
    "json_schema",
    "reasoning",
    "include",
    "thinking",
    "stop_sequences",
    "max_tokens",
    "output_config",
    "effort",
    "metadata",
    "user_id",
    "choices",
    "delta",
    "message",
    "tool_calls",
    "function",
    "index",
    "finish_reason",
    "stop_reason",
    "usage",
    "prompt_tokens",
    "prompt_tokens_details",
    "logprobs",
    "refusal",
    "reasoning_content",
)
WORDS = (
    "message",
    "function_call",
    "function_call_output",
    "user",
    "assistant",
    "tool",
    "text",
    "input_text",
    "output_text",
    "image",
    "input_image",
    "base64",
    "tool_use",
    "tool_result",
    "function",
    "custom",
    "any",
    "auto",
    "allowed_tools",
    "json_schema",
    "enabled",
    "stop",
    "length",
    "tool_calls",
    "{}",
    "{",
)
LEAVES = st.none() | st.booleans() | st.integers(-2, 5) | st.sampled_from(WORDS)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=25,
)
OBJECTS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6)
BASE = {"model": "default", "max_tokens": 5, "input": "hi", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    "to_chat", [responses_request.to_chat, messages_request.to_chat], ids=["responses", "messages"]
)
@given(found=OBJECTS)
@settings(max_examples=300, deadline=None)
def test_requests(to_chat: Callable[[Mapping[str, Any]], dict[str, Any]], found: dict[str, Any]) -> None:
    """A request is translated into JSON or refused with a field's name."""
    needed = {"input"} if to_chat is responses_request.to_chat else {"max_tokens", "messages"}
    base = {name: value for name, value in BASE.items() if name in needed | {"model"}}
    refused = refusal(lambda: json.dumps(to_chat({**base, **found})))
    assert refused is None or refused.violations


@given(request=OBJECTS, message=OBJECTS, choice=OBJECTS, found=OBJECTS)
@settings(max_examples=300, deadline=None)
def test_answers(
    request: dict[str, Any], message: dict[str, Any], choice: dict[str, Any], found: dict[str, Any]
) -> None:
    """An answer is told or refused as the model's fault, whole and as a chunk."""
    request = {**request, "stop_sequences": ["END"]}
    body = json.dumps({**found, "choices": [{**choice, "index": 0, "message": message, "delta": message}]}).encode()

    def streamed(telling: Telling) -> bytes:
        return telling.begun() + telling.chunk(body) + telling.chunk(body) + telling.ended()

    for work in (
        lambda: json.dumps(responses_answer.to_response(request, body)),
        lambda: json.dumps(messages_answer.to_message(request, body)),
        lambda: streamed(responses_events.ResponseTelling(request)),
        lambda: streamed(messages_events.MessageTelling(request)),
    ):
        failed = refusal(work)
        assert failed is None or failed.reason == "MODEL_RESPONSE_INVALID"


@pytest.mark.parametrize("read", [read_response, read_message], ids=["responses", "messages"])
@pytest.mark.parametrize("field", ["metadata", "tools", "tool_choice", "input", "messages"])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"type":"allowed_tools","tools":[', "]}")])
def test_depth(read: Callable[[bytes], Exchange], field: str, opening: str, closing: str) -> None:
    """JSON that is nested too deep to be written again is refused before a model is paid for it."""
    base = {name: value for name, value in BASE.items() if name != field}
    for depth in (230, 500):
        body = f'{json.dumps(base)[:-1]}, "{field}": {opening * depth}1{closing * depth}}}'
        refused = refusal(lambda body=body: read(body.encode()))  # type: ignore[misc]
        assert refused is not None
        assert openai_status(refused) == 400
    wide = {**BASE, "input": "[" * 2000, "messages": [{"role": "user", "content": "{" * 2000}]}
    wide.pop("max_tokens" if read is read_response else "input")
    wide.pop("messages" if read is read_response else "instructions", None)
    assert refusal(lambda: read(json.dumps(wide).encode())) is None


def test_arguments_nested_too_deep() -> None:
    """Arguments of a call that cannot be told as JSON are the model's fault."""
    function = {"name": "f", "arguments": '{"a": ' + "[" * 500 + "]" * 500 + "}"}
    call = {"id": "c", "type": "function", "function": function}
    body = json.dumps({"choices": [{"message": {"tool_calls": [call]}}]}).encode()
    whole = read_message(json.dumps({**BASE, "input": None}).encode()).whole
    assert whole is not None
    refused = refusal(lambda: whole(body))
    assert refused is not None
    assert refused.reason == "MODEL_RESPONSE_INVALID"


def refusal(work: Callable[[], object]) -> AmasError | None:
    """How the work was refused; any other error falls through."""
    try:
        work()
    except AmasError as error:
        return error
    return None
