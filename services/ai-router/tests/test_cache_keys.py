"""Who may share an answer with whom."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from amas_ai_router.domain.cache_keys import CacheKeys
from amas_ai_router.domain.cached_answers import keepable, seal, unseal
from amas_ai_router.domain.model import Operation
from amas_ai_router.domain.routing import compile_routing
from amas_ai_router.domain.semantic_question import question_of
from amas_governance.labels import CATEGORIES, Confidentiality, Integrity, Label
from hypothesis import given
from hypothesis import strategies as st

from .cache_fakes import CHAT, MEMO, MemoryAnswers, Model, admission, make_cache, route_with, said, with_fields
from .fakes import DEVELOPER, make_bundle

ROUTES = [
    route_with(MEMO),
    replace(route_with(MEMO), name="other"),
    route_with({"memo": {"ttl": "2h"}}),
    replace(compile_routing(make_bundle(("http://else.test/v1",))).routes["default"], spec=route_with(MEMO).spec),
    replace(
        compile_routing(make_bundle(("http://one.test/v1",), model="n")).routes["default"], spec=route_with(MEMO).spec
    ),
]
LABELS = st.builds(
    Label,
    st.sampled_from(list(Confidentiality)),
    st.frozensets(st.sampled_from(sorted(CATEGORIES))),
    st.sampled_from(list(Integrity)),
)
SCOPES = st.tuples(
    st.sampled_from(["acme", "acm", "acme:x", "{acme}", "e", "ä}"]),
    LABELS | st.just(Label.LOWEST),
    st.integers(0, len(ROUTES) - 1),
    st.sampled_from(["", "hello", "hello ", "0"]),
    st.booleans(),
)


def _admission(scope: tuple[str, Label, int, str, bool]) -> Any:
    tenant, label, route, text, _ = scope
    return admission(ROUTES[route], text, label=label, principal=replace(DEVELOPER, tenant=tenant))


@given(st.lists(SCOPES, min_size=2, max_size=12))
async def test_a_hit_implies_an_equal_scope(scopes: list[tuple[str, Label, int, str, bool]]) -> None:
    """Tenants, labels, routes, targets, requests and forms never meet; what is equal in all of them does."""
    cache, model = make_cache(MemoryAnswers()), Model()
    given_to: dict[bytes, Any] = {}
    for number, scope in enumerate(scopes):
        before = model.asked
        answer = await model.through(cache, _admission(scope), said(f"answer {number}"), stream=scope[4])
        if model.asked > before:
            assert scope not in given_to.values()
            given_to[answer.body] = scope
        else:
            assert given_to[answer.body] == scope


@pytest.mark.parametrize(
    ("name", "value"),
    [("user", "u1"), ("metadata", {"a": "b"}), ("safety_identifier", "s"), ("prompt_cache_key", "k"), ("store", False)],
)
def test_fields_without_a_part_in_the_answer(name: str, value: Any) -> None:
    """What only says who calls does not keep equal calls apart."""
    call = admission(ROUTES[0])
    assert _memo(call) == _memo(with_fields(call, **{name: value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0.5),
        ("seed", 1),
        ("n", 2),
        ("stream_options", {"include_usage": True}),
        ("service_tier", "flex"),
        ("tools", [{"type": "function", "function": {"name": "f"}}]),
        ("something_new", 1),
    ],
)
def test_every_other_field_counts(name: str, value: Any) -> None:
    """Also a field that nobody here knows."""
    call = admission(ROUTES[0])
    assert _memo(call) != _memo(with_fields(call, **{name: value}))


def test_order_of_keys_does_not_count() -> None:
    """The request is canonical; the order of messages is part of it."""
    call = admission(ROUTES[0])
    turned = replace(call, fields=dict(reversed(call.fields.items())))
    assert _memo(call) == _memo(turned)
    first, second = {"role": "user", "content": "a"}, {"role": "user", "content": "b"}
    assert _memo(with_fields(call, messages=[first, second])) != _memo(with_fields(call, messages=[second, first]))


def test_a_route_of_another_bundle_that_is_the_same_shares() -> None:
    """Not the bundle's digest but the route decides, so that an unrelated change empties no cache."""
    keys = CacheKeys()
    one, other = admission(route_with(MEMO), bundle="sha256:1"), admission(route_with(MEMO), bundle="sha256:2")
    assert one.route is not other.route
    assert _memo(one, keys) == _memo(other, keys)


@pytest.mark.parametrize("finish", ["length", "content_filter", "", "error"])
def test_only_whole_answers_are_kept(finish: str) -> None:
    """What was cut or taken away is not given again."""
    assert not keepable(said(finish=finish), CHAT, {}, stream=False)
    assert keepable(said(), CHAT, {}, stream=False)
    assert keepable(replace(said(), finish="tool_calls"), CHAT, {}, stream=False)


def test_each_choice_must_be_whole() -> None:
    """With `n`, the first choice does not speak for the others."""
    choices = [{"index": 0, "finish_reason": "stop"}, {"index": 1, "finish_reason": "length"}]
    assert not keepable(said(choices=choices), CHAT, {"n": 2}, stream=False)
    choices[1]["finish_reason"] = "stop"
    assert keepable(said(choices=choices), CHAT, {"n": 2}, stream=False)
    assert keepable(replace(said(), finish=""), Operation.EMBEDDINGS, {}, stream=False)


def test_too_large_is_not_kept() -> None:
    """One answer cannot fill the store."""
    assert not keepable(said("x" * 1024 * 1024), CHAT, {}, stream=False)


@given(st.integers(0, 400), st.integers(1, 255), LABELS, st.text())
def test_a_value_opens_only_as_it_was_sealed(place: int, flip: int, label: Label, key: str) -> None:
    """Another key, another label, a changed or a cut value: a miss, never an error and never another's answer."""
    value = seal(said(), key, label)
    opened = unseal(value, key, label, "memo")
    assert opened == said()
    place %= len(value)
    changed = bytearray(value)
    changed[place] ^= flip
    assert unseal(bytes(changed), key, label, "memo") is None
    assert unseal(value[:place], key, label, "memo") is None
    assert unseal(value, key + "x", label, "memo") is None
    higher = Label(Confidentiality.RESTRICTED, frozenset(CATEGORIES), Integrity.UNTRUSTED)
    assert label == higher or unseal(value, key, higher, "memo") is None


PLAIN = {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "What is it?"}]}


def test_only_the_last_user_message_is_compared() -> None:
    """Everything else must be equal, the numbers and negations of the question included."""
    question = question_of(PLAIN)
    assert question is not None
    assert question.text == "What is it?"
    assert question_of({**PLAIN, "temperature": 1}).rest != question.rest  # type: ignore[union-attr]
    reworded = {"messages": [PLAIN["messages"][0], {"role": "user", "content": "Tell me what it is"}]}
    assert question_of(reworded).rest == question.rest  # type: ignore[union-attr]
    for other in ("What is it not?", "What is 3?", "What is it on 2026-01-01?"):
        changed = {"messages": [PLAIN["messages"][0], {"role": "user", "content": other}]}
        assert question_of(changed).rest != question.rest  # type: ignore[union-attr]
    parts = {"messages": [PLAIN["messages"][0], {"role": "user", "content": [{"type": "text", "text": "What is it?"}]}]}
    assert question_of(parts) == question


@pytest.mark.parametrize(
    "changes",
    [
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"functions": [{"name": "f"}]},
        {"web_search_options": {"search_context_size": "low"}},
        {"n": 2},
        {"modalities": ["text", "audio"]},
        {"audio": {"voice": "a", "format": "wav"}},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}]},
        {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
        {"messages": [{"role": "tool", "content": "42"}, {"role": "user", "content": "and?"}]},
        {"messages": [{"role": "assistant", "content": "", "tool_calls": [{}]}, {"role": "user", "content": "and?"}]},
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
        {"messages": [{"role": "user", "content": " "}]},
        {"messages": [{"role": "user", "content": "x" * 8193}]},
        {"messages": ["hello"]},
        {"messages": []},
    ],
)
def test_what_is_never_compared(changes: dict[str, Any]) -> None:
    """Tools, images, audio, several choices, documents, and whatever is no question."""
    assert question_of({**PLAIN, **changes}) is None


def _memo(call: Any, keys: CacheKeys | None = None) -> Any:
    return (keys or CacheKeys()).memo(call.context, call.operation, call.route, call.fields, stream=False)
