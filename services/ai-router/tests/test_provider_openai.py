"""What providers that call themselves OpenAI-compatible do differently, over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from amas_ai_router.adapters.key_files import KeyFiles
from amas_ai_router.adapters.providers import http_session
from amas_ai_router.adapters.providers.by_api import ProvidersByApi
from amas_ai_router.domain.errors import AttemptError, FailureReason, RejectedError
from amas_ai_router.domain.model import Operation

from tests.fault_server import EVENTS_HEAD, Connection, Request, chunked, events, fault_server, says, whole

from .fakes import MESSAGES, USAGE_CHUNK, answer, chunk
from .provider_calls import BOUND, PATIENCE, answer_of, make_target

DONE = b"[DONE]"
TEXT, FINISH = chunk("hi"), chunk("", finish="stop")
FIELDS: dict[str, Any] = {"model": "route", "messages": MESSAGES, "stream": True}
OURS = {"stream_options": {"include_usage": True}}


@pytest_asyncio.fixture
async def providers(tmp_path: Path) -> AsyncIterator[ProvidersByApi]:
    """All providers, with two keys."""
    for name in ("one", "two"):
        (tmp_path / name).write_text(f"sk-{name}")
    made = ProvidersByApi(KeyFiles(tmp_path), max_response_bytes=BOUND, connect_timeout=PATIENCE)
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("version", "base", "line"),
    [
        ("2024-10-21", "", "POST /openai/deployments/gpt%2F5/chat/completions?api-version=2024-10-21 HTTP/1.1"),
        ("2024-10-21", "/openai", "POST /openai/deployments/gpt%2F5/chat/completions?api-version=2024-10-21 HTTP/1.1"),
        ("", "", "POST /openai/v1/chat/completions HTTP/1.1"),
        ("", "/openai/v1", "POST /openai/v1/chat/completions HTTP/1.1"),
    ],
)
async def test_azures_addresses(providers: ProvidersByApi, version: str, base: str, line: str) -> None:
    """With a version the deployment is in the path; without one it is the v1 API. The key is in `api-key` alone."""
    async with asyncio.timeout(PATIENCE), fault_server(says(whole(answer().body))) as server:
        target = make_target("azureOpenai", server.url + base, api_version=version, model="gpt/5", key_files=("one",))
        await providers.ask(target, Operation.CHAT, FIELDS)
        request = server.requests[0]
    assert request.line == line
    assert request.headers["api-key"] == "sk-one"
    assert "authorization" not in request.headers
    assert orjson.loads(request.body)["model"] == "gpt/5"


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ([TEXT, FINISH, DONE], [TEXT, FINISH]),
        ([TEXT, FINISH], [TEXT, FINISH]),
        ([TEXT, FINISH, USAGE_CHUNK], [TEXT, FINISH, USAGE_CHUNK]),
        ([chunk(), b"", TEXT, FINISH, DONE], [chunk(), TEXT, FINISH]),
        ([chunk("hi", usage=None), FINISH, DONE], [chunk("hi", usage=None), FINISH]),
    ],
    ids=["as OpenAI", "no [DONE]", "no [DONE] after usage", "empty events", "usage of null"],
)
async def test_streams_that_end_well(providers: ProvidersByApi, sent: list[bytes], told: list[bytes]) -> None:
    """[DONE] is not sent by all; a finished choice at an ordered end is as good."""
    async with asyncio.timeout(PATIENCE), fault_server(says(events(*sent))) as server:
        assert await answer_of(providers, make_target("openai", server.url, key_files=()), stream=True) == told


async def test_comments_and_other_fields_of_events_are_passed_over(providers: ProvidersByApi) -> None:
    """Signs of life come as comments; a last [DONE] may lack its empty line."""
    pieces = (b": still here\n\n", b"event: x\nid: 1\r\ndata:" + TEXT + b"\r\n\r\n", b"data: [DO", b"NE]\n")
    async with asyncio.timeout(PATIENCE), fault_server(says(EVENTS_HEAD + chunked(*pieces))) as server:
        target = make_target("openai", server.url, key_files=())
        assert await answer_of(providers, target, stream=True) == [TEXT]


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({}, [TEXT]),
        ({}, [TEXT, USAGE_CHUNK]),
        ({}, [orjson.dumps({"choices": []})]),
        ({"n": 2}, [TEXT, FINISH]),
    ],
    ids=["no finish", "usage without finish", "no choice", "two choices"],
)
async def test_streams_that_were_cut(providers: ProvidersByApi, fields: dict[str, Any], sent: list[bytes]) -> None:
    """An ordered end of HTTP proves nothing by itself."""
    async with asyncio.timeout(PATIENCE), fault_server(says(events(*sent))) as server:
        target = make_target("openai", server.url, key_files=())
        stream = await providers.open_stream(target, {**FIELDS, **fields})
        told = [await stream.next() for _ in sent]
        with pytest.raises(AttemptError) as caught:
            await stream.next()
        await stream.close()
    assert told == sent
    assert caught.value.reason is FailureReason.CONNECTION_LOST


async def test_a_finished_stream_gives_its_connection_back(
    providers: ProvidersByApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handshake for each stream would cost more than the stream."""
    monkeypatch.setattr(http_session, "LINGER_SECONDS", PATIENCE)

    async def late_end(connection: Connection, request: Request) -> None:
        await connection.send(events(TEXT, FINISH, DONE, end=False))
        await connection.send(chunked())

    async with asyncio.timeout(PATIENCE), fault_server(late_end) as server:
        target = make_target("openai", server.url, key_files=())
        for _ in range(3):
            await answer_of(providers, target, stream=True)
            await server.idle()
            # The last bytes are on their way; another answer on the same connection proves that they came.
            server.script = says(whole(answer().body))
            await providers.ask(target, Operation.CHAT, FIELDS)
            server.script = late_end
        assert server.connections <= 2


def refusing(error: bytes, status: str) -> Any:
    """A provider that refuses `stream_options`."""

    async def script(connection: Connection, request: Request) -> None:
        if b"stream_options" in request.body:
            await connection.send(whole(error, status=status))
        else:
            await connection.send(events(TEXT, FINISH, DONE))

    return script


MISTRAL = orjson.dumps(
    {
        "object": "error",
        "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options", "include_usage"]}]},
        "type": "invalid_request_error",
    }
)
OLD_AZURE = b'{"error": {"message": "Unrecognized request argument supplied: stream_options"}}'


@pytest.mark.parametrize(("error", "status"), [(MISTRAL, "422 No"), (OLD_AZURE, "400 No")], ids=["mistral", "azure"])
async def test_a_provider_that_refuses_stream_options_is_asked_without_them(
    providers: ProvidersByApi, error: bytes, status: str
) -> None:
    """At once, and from then on without the vain try."""
    async with asyncio.timeout(PATIENCE), fault_server(refusing(error, status)) as server:
        target = make_target("openai", server.url, key_files=())
        for _ in range(2):
            assert await answer_of(providers, target, stream=True) == [TEXT, FINISH]
        assert [b"stream_options" in request.body for request in server.requests] == [True, False, False]


async def test_a_caller_cannot_teach_the_router_to_go_without_usage(providers: ProvidersByApi) -> None:
    """Only a plain request tells something about the provider; options of the caller's own are the caller's mistake."""
    async with asyncio.timeout(PATIENCE), fault_server(refusing(OLD_AZURE, "400 No")) as server:
        target = make_target("openai", server.url, key_files=())
        odd = await providers.open_stream(target, {**FIELDS, **OURS, "x_odd": 1})
        await odd.close()
        again = await providers.open_stream(target, {**FIELDS, **OURS, "x_odd": 1})
        await again.close()
        assert b"stream_options" in server.requests[2].body
        with pytest.raises(RejectedError):
            await providers.open_stream(target, {**FIELDS, "stream_options": {"include_usage": True, "x": 1}})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": {"message": "m", "type": "t", "code": 5}}', "m"),
        (b'{"error": "model not found"}', "model not found"),
        (b'[{"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT"}}]', "m"),
        (b'{"object": "error", "message": "m", "type": "BadRequestError", "code": 400}', "m"),
        (b'{"detail": [{"loc": ["body"]}]}', '[{"loc":["body"]}]'),
    ],
    ids=["OpenAI", "Ollama", "Gemini", "vLLM", "FastAPI"],
)
async def test_refusals_in_every_form_come_as_openais(providers: ProvidersByApi, body: bytes, message: str) -> None:
    """A client reads one form."""
    async with asyncio.timeout(PATIENCE), fault_server(says(whole(body, status="400 No"))) as server:
        with pytest.raises(RejectedError) as caught:
            await providers.ask(make_target("openai", server.url, key_files=()), Operation.CHAT, FIELDS)
    assert orjson.loads(caught.value.error_json)["message"] == message


async def test_geminis_refusal_of_a_key_is_about_the_key(providers: ProvidersByApi) -> None:
    """400 there; it must not reach the caller as its own mistake."""
    body = b'[{"error": {"code": 400, "message": "API key not valid", "details": [{"reason": "API_KEY_INVALID"}]}}]'
    async with asyncio.timeout(PATIENCE), fault_server(says(whole(body, status="400 No"))) as server:
        with pytest.raises(AttemptError) as caught:
            await providers.ask(make_target("openai", server.url, key_files=("one",)), Operation.CHAT, FIELDS)
    assert caught.value.reason is FailureReason.KEY_REFUSED


async def test_a_refusal_that_quotes_the_key_is_passed_on_without_its_words(providers: ProvidersByApi) -> None:
    """The status is the caller's, the key is ours."""
    body = b'{"error": {"message": "bad header Bearer sk-one"}}'
    async with asyncio.timeout(PATIENCE), fault_server(says(whole(body, status="400 No"))) as server:
        with pytest.raises(RejectedError) as caught:
            await providers.ask(make_target("openai", server.url, key_files=("one",)), Operation.CHAT, FIELDS)
    assert (caught.value.status, caught.value.error_json) == (400, "")


@pytest.mark.parametrize("api", ["openai", "azureOpenai", "anthropic"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_429_on_one_key_is_answered_with_the_next(providers: ProvidersByApi, api: str, stream: bool) -> None:
    """Within one attempt and its time, each key once."""
    async with asyncio.timeout(PATIENCE), fault_server(says(whole(b"{}", status="429 Slow"))) as server:
        target = make_target(api, server.url, key_files=("one", "two"))
        with pytest.raises(AttemptError) as caught:
            await answer_of(providers, target, stream=stream)
        used = [request.headers.get("api-key") or request.headers["authorization"] for request in server.requests]
    assert [text.removeprefix("Bearer ") for text in used] == ["sk-one", "sk-two"]
    assert caught.value.reason is FailureReason.RATE_LIMITED
    assert caught.value.retry_after == pytest.approx(30, abs=1)


@pytest.mark.parametrize(
    ("parameter", "sent"), [("max_tokens", {"max_tokens": 9}), ("max_completion_tokens", {"max_completion_tokens": 9})]
)
async def test_the_longest_answer_is_told_by_the_name_that_the_provider_knows(
    providers: ProvidersByApi, parameter: str, sent: dict[str, int]
) -> None:
    """A bound under a name that an older API does not know would be no bound, and a budget relies on it."""
    async with asyncio.timeout(PATIENCE), fault_server(says(whole(answer().body))) as server:
        target = make_target("openai", server.url, key_files=(), max_tokens_parameter=parameter)
        await providers.ask(target, Operation.CHAT, {"messages": MESSAGES, "max_completion_tokens": 9})
        body = orjson.loads(server.requests[0].body)
    assert {name: value for name, value in body.items() if name.startswith("max_")} == sent


async def test_a_bound_that_is_null_displaces_no_other(providers: ProvidersByApi) -> None:
    """A caller who names null for one bound must not rid the request of the one that a budget relies on."""
    async with asyncio.timeout(PATIENCE), fault_server(says(whole(answer().body))) as server:
        target = make_target("openai", server.url, key_files=(), max_tokens_parameter="max_tokens")
        asked = {"messages": MESSAGES, "max_tokens": 100, "max_completion_tokens": None}
        await providers.ask(target, Operation.CHAT, asked)
        body = orjson.loads(server.requests[0].body)
    assert body["max_tokens"] == 100
