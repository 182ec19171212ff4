"""The provider as clients see it: the official OpenAI SDK against a live process."""

import json
import subprocess
import sys
from typing import Any

import openai
import pytest

GIT_LOG_TOOL: Any = {
    "type": "function",
    "function": {"name": "git__git_log", "parameters": {"type": "object"}},
}
COMMITS_SCHEMA: Any = {
    "type": "json_schema",
    "json_schema": {
        "name": "historian",
        "schema": {"type": "object", "required": ["commits"], "properties": {"commits": {"type": "array"}}},
    },
}
LOG = (
    "Commit history:\n"
    f"Commit: {'a' * 40}\nAuthor: developer\nDate: 2026-01-02 03:04:05+00:00\nMessage: feat: one\n\nBody.\n\n"
    f"Commit: {'b' * 40}\nAuthor: developer\nDate: 2026-01-01 03:04:05+00:00\nMessage: Fix two\n\n"
)


def ask(client: openai.OpenAI, model: str = "scripted", **more: Any) -> Any:
    messages: Any = [{"role": "user", "content": 'The input: {"repository": "repository", "since": "2026-01-01"}'}]
    return client.chat.completions.create(**{"model": model, "messages": messages, **more})


def test_the_historian_reads_the_log_and_lists_its_commits(client: openai.OpenAI) -> None:
    """The answer depends on what the tool said, in two turns of the official SDK."""
    first = ask(client, tools=[GIT_LOG_TOOL], response_format=COMMITS_SCHEMA)
    call = first.choices[0].message.tool_calls[0]
    assert first.choices[0].finish_reason == "tool_calls"
    assert json.loads(call.function.arguments) == {
        "repo_path": "repository",
        "max_count": 50,
        "start_timestamp": "2026-01-01",
    }
    messages = [
        {"role": "user", "content": '{"repository": "repository"}'},
        first.choices[0].message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": LOG},
    ]
    second = ask(client, messages=messages, tools=[GIT_LOG_TOOL], response_format=COMMITS_SCHEMA)
    commits = json.loads(second.choices[0].message.content)["commits"]
    assert [commit["subject"] for commit in commits] == ["feat: one", "Fix two"]
    assert commits[0]["hash"] == "a" * 40
    assert second.usage.total_tokens == second.usage.prompt_tokens + second.usage.completion_tokens


def test_a_stream_carries_the_same_answer_and_its_usage(client: openai.OpenAI) -> None:
    """Streaming differs in form only, and tells the usage where it was asked for."""
    whole = ask(client)
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert not any(chunk.usage for chunk in ask(client, stream=True))


def test_streamed_tool_calls_arrive_whole(client: openai.OpenAI) -> None:
    """A tool call in a stream has its name, its id and arguments that parse."""
    chunks = list(ask(client, tools=[GIT_LOG_TOOL], response_format=COMMITS_SCHEMA, stream=True))
    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    assert [call.function.name for call in calls if call.id] == ["git__git_log"]
    arguments = "".join(call.function.arguments for call in calls)
    assert json.loads(arguments)["repo_path"] == "repository"
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_the_same_request_gets_the_same_answer(client: openai.OpenAI) -> None:
    """Ids and text follow from the request, so that a repeated step is the same step."""
    first, second = ask(client), ask(client)
    assert (first.id, first.choices) == (second.id, second.choices)


def test_models_and_embeddings(client: openai.OpenAI) -> None:
    """The list names every model; equal texts have equal vectors, near ones are nearer than far ones."""
    assert "scripted-loop" in {model.id for model in client.models.list()}
    made = client.embeddings.create(
        model="scripted", input=["release notes", "release note", "zebra"], encoding_format="float"
    )
    same, near, far = (item.embedding for item in made.data)
    dot = lambda left, right: sum(a * b for a, b in zip(left, right, strict=True))  # noqa: E731 - two uses, one line
    assert dot(same, same) == pytest.approx(1.0)
    assert dot(same, near) > dot(same, far)


@pytest.mark.parametrize(
    ("model", "status"), [("scripted-error", 500), ("no-such-model", 404)], ids=["error", "unknown"]
)
def test_errors_have_the_form_of_openai(client: openai.OpenAI, model: str, status: int) -> None:
    """The SDK reads the error body."""
    with pytest.raises(openai.APIStatusError) as caught:
        ask(client, model)
    assert caught.value.status_code == status
    assert caught.value.body is not None


def test_a_malformed_body_is_refused(provider_url: str) -> None:
    """Odd requests get 400 with a sentence, never a traceback."""
    with openai.OpenAI(base_url=provider_url, api_key="unused", max_retries=0) as client:
        for body in ({"model": "scripted"}, {"model": "scripted", "messages": "hello"}):
            with pytest.raises(openai.BadRequestError):
                client.post("/chat/completions", body=body, cast_to=object)


def test_misbehaviours_are_chosen_by_model_name(client: openai.OpenAI) -> None:
    """Each fault that a test may ask for is really made."""
    with pytest.raises(json.JSONDecodeError):
        json.loads(ask(client, "scripted-nonsense").choices[0].message.content)
    unknown = ask(client, "scripted-unknown-tool", tools=[GIT_LOG_TOOL]).choices[0].message.tool_calls[0]
    assert unknown.function.name != "git__git_log"
    bad = ask(client, "scripted-bad-arguments", tools=[GIT_LOG_TOOL]).choices[0].message.tool_calls[0]
    assert "repo_path" not in json.loads(bad.function.arguments)
    with client.chat.completions.with_streaming_response.create(
        model="scripted-megabytes", messages=[{"role": "user", "content": "x"}]
    ) as answer:
        assert sum(len(part) for part in answer.iter_bytes()) > 32 * 1024 * 1024


def test_the_slow_model_is_slow(client: openai.OpenAI) -> None:
    """A client's time-out strikes before the slow model answers."""
    with pytest.raises(openai.APITimeoutError):
        ask(client, "scripted-slow", timeout=0.1)


def test_a_loop_never_comes_to_an_end(client: openai.OpenAI) -> None:
    """However many results it is given, scripted-loop asks for the same call again."""
    messages: list[Any] = [{"role": "user", "content": '{"repository": "repository"}'}]
    for _ in range(4):
        answer = ask(client, "scripted-loop", messages=messages, tools=[GIT_LOG_TOOL], response_format=COMMITS_SCHEMA)
        call = answer.choices[0].message.tool_calls[0]
        messages += [
            answer.choices[0].message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": call.id, "content": LOG},
        ]


def test_a_bad_listen_address_is_a_clear_sentence() -> None:
    """The command line refuses what is no address, with exit code 2 and no traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "amas_cli.local.scripted_model", "--listen", "nowhere"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "HOST:PORT" in done.stderr
    assert "Traceback" not in done.stderr


def test_tool_calls_are_streamed_in_pieces(client: openai.OpenAI) -> None:
    """The pieces of a streamed call are the call that comes whole without a stream."""
    said: Any = [{"role": "user", "content": 'call git__git_log {"repo_path": "a-path-of-more-than-one-piece"}'}]
    whole = ask(client, messages=said, tools=[GIT_LOG_TOOL]).choices[0].message.tool_calls[0]
    pieces = [
        call
        for part in ask(client, messages=said, tools=[GIT_LOG_TOOL], stream=True)
        for call in part.choices[0].delta.tool_calls or []
    ]
    assert len(pieces) > 2
    assert pieces[0].function.name == whole.function.name
    assert "".join(piece.function.arguments for piece in pieces) == whole.function.arguments


def test_vectors_come_in_base64_too(client: openai.OpenAI) -> None:
    """The SDK asks for base64 unless told otherwise, and gets the same numbers."""
    numbers = client.embeddings.create(model="scripted", input="one", encoding_format="float").data[0].embedding
    encoded = client.embeddings.create(model="scripted", input="one").data[0].embedding
    assert encoded == pytest.approx(numbers, abs=1e-6)
