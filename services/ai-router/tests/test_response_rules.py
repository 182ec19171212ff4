"""Response rules: nothing that a route redacts reaches a client, whole or on a stream, wherever the chunks are cut."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from amas_ai_router.domain.pseudonyms import Pseudonyms
from amas_ai_router.domain.response_rules import make_guard
from amas_governance.resources import ResponseRules
from hypothesis import given, settings
from hypothesis import strategies as st

from .answer_chunks import CARD, EVERYTHING, HEAD, KEY, MAIL, answer, arguments, chunk, guard, pieces, run, text

PARTS = st.sampled_from(
    [KEY, CARD, MAIL, "STOP", "hello ", "ab, ", "é\n", "1 2 ", "<EMAIL_1>", "<EMAIL_7>", "<", "sk-"]
)
TEXTS = st.lists(PARTS, max_size=8).map("".join)


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.lists(st.integers(0, 150), max_size=30), st.booleans(), st.booleans(), st.booleans())
def test_a_stream_says_what_the_whole_answer_says(
    content: str, cuts: list[int], redact: bool, stop: bool, restore: bool
) -> None:
    """All rules together, under any chunking, give the text and the finish reason that they give in one piece."""
    pseudonyms = Pseudonyms(frozenset({"pii"}))
    pseudonyms.hide("", "auditor@example.com")
    given: Any = EVERYTHING if redact else ()
    spec = ResponseRules(redact=given, stop=("STOP",) if stop else ())
    options = pseudonyms if restore else None
    one, other = make_guard(spec, options), make_guard(spec, options)
    if one is None or other is None:
        assert not any((redact, stop, restore))
        return
    chunks = [
        chunk({"role": "assistant", "content": ""}),
        *(chunk({"content": part}) for part in pieces(content, cuts)),
    ]
    out = run(one, [*chunks, chunk({}, "stop")])
    fields, changed = other.whole(answer({"content": content}))
    assert text(out) == fields["choices"][0]["message"]["content"]
    assert changed is (fields != answer({"content": content}))
    assert out[-1]["choices"][0]["finish_reason"] == fields["choices"][0]["finish_reason"]
    assert dict(one.findings) == dict(other.findings) or fields["choices"][0]["finish_reason"] == "content_filter"
    assert one.stopped is (fields["choices"][0]["finish_reason"] == "content_filter")


def test_no_rules_cost_nothing() -> None:
    """A route without rules has no guard at all."""
    assert make_guard(ResponseRules(), None) is None


@pytest.mark.parametrize("key", ["content", "refusal", "reasoning_content", "reasoning", "something_new"])
def test_every_text_of_a_delta_is_redacted(key: str) -> None:
    """Also one under a name that nobody here has heard of."""
    out = run(
        guard(), [*(chunk({key: part}) for part in (f"my {KEY[:5]}", KEY[5:9], f"{KEY[9:]} ok")), chunk({}, "stop")]
    )
    assert text(out, key) == "my [redacted:aws-access-key] ok"


def test_texts_inside_of_parts_are_redacted() -> None:
    """Contents that come as lists of parts are held in their own shape."""
    deltas = [{"content": [{"type": "text", "text": part}]} for part in (f"my {KEY[:5]}", KEY[5:])]
    out = run(guard(), [*(chunk(delta) for delta in deltas), chunk({}, "stop")])
    parts = [part for fields in out for part in fields["choices"][0]["delta"].get("content", [])]
    assert "".join(part["text"] for part in parts) == "my [redacted:aws-access-key]"
    assert {part["type"] for part in parts} == {"text"}


def test_choices_do_not_mix() -> None:
    """Halves of a secret in two choices are no secret, and each choice holds back its own."""
    chunks = [chunk({"content": KEY[:9]}), chunk({"content": KEY}, index=1), chunk({"content": "! "})]
    out = run(guard(choices=2), [*chunks, chunk({}, "stop"), chunk({}, "stop", index=1)])
    assert text(out) == KEY[:9] + "! "
    assert text(out, index=1) == "[redacted:aws-access-key]"


def test_the_finish_reason_does_not_overtake_the_text() -> None:
    """Clients stop reading a choice at its finish reason."""
    rules = guard()
    assert rules.feed(chunk({"content": "developer"})) == []
    out = [orjson.loads(data) for data in rules.feed(chunk({"content": "s"}, "stop"))]
    assert [(c["choices"][0]["delta"], c["choices"][0]["finish_reason"]) for c in out] == [
        ({"content": "developers"}, None),
        ({}, "stop"),
    ]
    assert rules.feed(chunk({"content": "late"})) == []
    assert rules.end() == []


def test_a_stream_that_breaks_off_gives_what_was_held() -> None:
    """Without a finish reason the end tells; what is only the beginning of a key is none."""
    assert text(run(guard(), [chunk({"content": "it is AKIA"})])) == "it is AKIA"


def test_chunks_keep_their_shape() -> None:
    """Whatever is no text passes: role, usage, fingerprints, filters' results."""
    usage = orjson.dumps({**HEAD, "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}})
    rules = guard()
    first = orjson.loads(rules.feed(chunk({"role": "assistant", "content": "wor"}, content_filter_results={"x": 1}))[0])
    assert first == {
        **HEAD,
        "choices": [
            {
                "index": 0,
                "delta": {"role": "assistant", "content": ""},
                "finish_reason": None,
                "content_filter_results": {"x": 1},
            }
        ],
    }
    assert orjson.loads(rules.feed(usage)[0]) == orjson.loads(usage)


def test_members_that_repeat_the_text_do_not_pass_beside_it() -> None:
    """Token ids of a choice spell the text out, so a route that redacts does not deliver them."""
    (given,) = guard().feed(chunk({"role": "assistant"}, token_ids=[1, 2]))
    assert b"token_ids" not in given


def test_what_providers_add_to_a_chunk_is_redacted() -> None:
    """Citations and the like come whole and are judged whole."""
    data = orjson.dumps(
        {**HEAD, "citations": [f"see {KEY}"], "choices": [{"index": 0, "delta": {"role": "assistant"}}]}
    )
    assert orjson.loads(guard().feed(data)[0])["citations"] == ["see [redacted:aws-access-key]"]


def test_the_callers_own_values_come_back_to_him() -> None:
    """Redaction is about what the model says of itself; it comes before the restoring."""
    pseudonyms = Pseudonyms(frozenset({"pii"}))
    pseudonyms.hide("", MAIL)
    out = run(guard(pseudonyms=pseudonyms), [chunk({"content": "<EMA"}), chunk({"content": "IL_1> or x@example.org."})])
    assert text(out) == f"{MAIL} or [redacted:email]."


@pytest.mark.parametrize("stop", [("(?i)internal only",), ("only", r"\binternal\b")])
def test_a_stop_ends_the_choice_and_then_the_call(stop: tuple[str, ...]) -> None:
    """The text before the match is delivered, no tool is called, and the caller learns that it may hang up."""
    rules = guard((), stop, choices=2)
    call = {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]}
    out = [
        rules.feed(chunk(call)),
        rules.feed(chunk({"content": "This is inter"})),
        rules.feed(chunk({"content": "nal on"})),
    ]
    out += [rules.feed(chunk({"content": f"ly. {'x' * 40}"}))]
    assert not rules.stopped
    out += [rules.feed(chunk({"content": "fine"}, index=1)), rules.feed(chunk({}, "stop", index=1)), rules.end()]
    chunks = [orjson.loads(data) for part in out for data in part]
    assert rules.stopped
    assert text(chunks) == "This is "
    assert text(chunks, index=1) == "fine"
    reasons = [(c["index"], c["finish_reason"]) for f in chunks for c in f["choices"] if c["finish_reason"]]
    assert reasons == [(0, "content_filter"), (1, "stop")]
    assert arguments(chunks) == ""


def test_what_cannot_be_judged_is_withheld() -> None:
    """JSON that is nested without end is no answer, and nothing of it gets out."""
    deep: Any = KEY
    for _ in range(200):
        deep = [deep]
    rules = guard()
    whole, changed = rules.whole(answer({"content": deep}))
    assert changed
    assert KEY not in orjson.dumps(whole, option=orjson.OPT_PASSTHROUGH_SUBCLASS).decode()
    assert whole["choices"][0]["finish_reason"] == "content_filter"
    out = run(guard(), [chunk({"content": deep}), chunk({"content": "more"})])
    assert [fields["choices"][0]["finish_reason"] for fields in out] == ["content_filter"]
    assert dict(rules.findings) == {"unscannable": 1}


def test_findings_count_and_never_tell() -> None:
    """What metrics and audit may know."""
    rules = guard()
    run(rules, [chunk({"content": f"{KEY} {MAIL} {CARD}, {MAIL}"}), chunk({}, "stop")])
    assert dict(rules.findings) == {"aws-access-key": 1, "email": 2, "card": 1}


def test_embeddings_pass() -> None:
    """Vectors are no text."""
    fields = {"object": "list", "data": [{"index": 0, "embedding": [0.1, 0.2]}], "model": "m"}
    assert guard().whole(fields) == (fields, False)
