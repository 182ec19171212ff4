"""What a route does to the calls of an SDK: caches, failover, rules on answers, pseudonyms, keys that name a call."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families

from .governed_models import apply_routes, client, say
from .heard_model import HeardModel, serving

pytestmark = pytest.mark.e2e

CARD = "4111 1111 1111 1111"
MAIL = "someone@example.com"


@pytest.fixture(scope="module")
def model(platform, tmp_path_factory) -> Iterator[HeardModel]:
    """The provider behind the routes of governed.yaml, which are applied."""
    with serving() as server:
        apply_routes(platform, server.url, tmp_path_factory.mktemp("routes"))
        yield server


@pytest.fixture(scope="module")
def sdk(platform, model) -> Iterator[openai.OpenAI]:
    """The SDK as a developer."""
    with client(platform, "developer") as found:
        yield found


def ask(sdk: openai.OpenAI, route: str, words: str, **options: Any) -> Any:
    """The raw answer, headers included."""
    return sdk.chat.completions.with_raw_response.create(model=route, messages=say(words), max_tokens=50, **options)


def streamed(sdk: openai.OpenAI, route: str, words: str) -> tuple[str, str | None]:
    """The whole text of a stream and its finish reason."""
    text, finish = "", None
    for chunk in sdk.chat.completions.create(model=route, messages=say(words), stream=True):
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    return text, finish


def test_the_same_question_is_asked_once(sdk, model):
    """The second answer is the first, says where it came from, and costs nothing; `no-cache` asks again."""
    words = "asked twice"
    first, second = ask(sdk, "kept", words), ask(sdk, "kept", words)
    assert (first.headers["x-amas-cache"], second.headers["x-amas-cache"]) == ("miss", "memo")
    assert second.parse().choices[0].message.content == words
    assert float(second.headers.get("x-amas-cost", "0").split()[0]) == 0
    assert model.times(words) == 1
    fresh = ask(sdk, "kept", words, extra_headers={"Cache-Control": "no-cache"})
    assert fresh.headers["x-amas-cache"] == "miss"
    assert model.times(words) == 2
    assert (
        streamed(sdk, "kept", "streamed twice") == streamed(sdk, "kept", "streamed twice") == ("streamed twice", "stop")
    )
    assert model.times("streamed twice") == 1


def test_a_dead_provider_costs_attempts_until_its_breaker_opens(sdk):
    """Every call is answered; after three failures the dead one is not even asked."""
    attempts = [ask(sdk, "two-targets", f"call {n}").headers["x-amas-attempts"] for n in range(5)]
    assert attempts == ["2", "2", "2", "1", "1"]
    assert ask(sdk, "two-targets", "who").headers["x-amas-model"] == "heard/heard"


def test_rules_on_answers_hold_on_streams(sdk):
    """A card number that comes in pieces of five characters does not pass; a stop ends the answer before its match."""
    for text in (
        streamed(sdk, "redacted", f"pay with {CARD} today")[0],
        ask(sdk, "redacted", f"pay with {CARD} today").parse().choices[0].message.content,
    ):
        assert text == "pay with [redacted:card] today"
    assert streamed(sdk, "redacted", "this is Top Secret stuff") == ("this is ", "content_filter")


def test_a_pseudonymised_route_tells_the_model_no_address(sdk, model):
    """The model hears a token, the caller reads the address again, whole and streamed."""
    words = f"write to {MAIL} soon"
    assert ask(sdk, "pseudonymised", words).parse().choices[0].message.content == words
    assert streamed(sdk, "pseudonymised", words) == (words, "stop")
    assert model.times(MAIL) == 0
    assert model.times("write to <EMAIL_1> soon") == 2


def test_a_key_names_a_call(sdk, model):
    """The same key is the same call: asked once, answered twice, billed once; with other words it is refused."""
    key = {"Idempotency-Key": "one-call"}
    first, second = (ask(sdk, "metered", "said once", extra_headers=key) for _ in range(2))
    assert first.headers["x-amas-call-id"] == second.headers["x-amas-call-id"]
    assert second.headers["x-amas-replayed"] == "true"
    assert first.text == second.text
    assert model.times("said once") == 1
    with pytest.raises(openai.APIStatusError) as refused:
        ask(sdk, "metered", "said otherwise", extra_headers=key)
    assert refused.value.code == "idempotency_key_reused"


def test_vectors_are_billed(sdk):
    """Embeddings go the same way, and say what they cost."""
    made = sdk.embeddings.with_raw_response.create(model="metered", input="one")
    assert made.parse().data[0].embedding == [0.5, 0.5]
    assert made.headers["x-amas-cost"] == "0.000003 USD"


def test_metrics_tell_what_happened_and_name_nobody(sdk, platform):
    """What an operator watches is there after the calls above; no label holds a caller's words or id."""
    ask(sdk, "kept", "for the metrics")
    ask(sdk, "kept", "for the metrics")
    ask(sdk, "two-targets", "for the metrics")
    streamed(sdk, "metered", "for the metrics")
    families = scrape(platform)
    target = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "heard", "gen_ai_request_model": "heard"}
    assert value(families, "gen_ai_client_operation_time_to_first_chunk_seconds_count", **target) > 0
    assert value(families, "gen_ai_client_operation_duration_seconds_count", **target) > 0
    assert value(families, "gen_ai_client_token_usage_tokens_sum", gen_ai_token_type="output", **target) > 0
    assert value(families, "amas_router_cost_total", provider="heard", model="heard", currency="USD") > 0
    assert value(families, "amas_router_cache_hits_total", route="kept", cache="memo") > 0
    assert value(families, "amas_router_cache_saved_total", route="kept", cache="memo", currency="USD") > 0
    assert value(families, "amas_router_failovers_total", target="dead/heard") > 0
    assert value(families, "amas_router_breaker_open", target="dead/heard") == 1
    assert value(families, "amas_router_redactions_total", route="redacted", detector="card") > 0
    # The platform's own budget, of `amas up`.
    assert value(families, "amas_router_budget_used_ratio", tenant="acme", budget="acme-daily") > 0
    told = {value for family in families for sample in family.samples for value in sample.labels.values()}
    assert not {one for one in told if "for the metrics" in one or one in ("developer", "one-call")}


def scrape(platform: Any) -> list[Any]:
    """The ai-router's metrics as Prometheus reads them."""
    port = json.loads((platform.home / "state.json").read_text())["internal_ports"]["ai-router-http"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return list(text_string_to_metric_families(answer.read().decode()))


def value(families: list[Any], name: str, **labels: str) -> float:
    """The sum of a metric's samples with these labels."""
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )
