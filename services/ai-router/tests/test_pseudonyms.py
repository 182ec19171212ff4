"""Pseudonyms: a model sees tokens, the caller sees values, wherever the answer is cut."""

from __future__ import annotations

import itertools

import pytest
from amas_ai_router.domain.json_texts import MAX_DEPTH, TooDeepError, joined, rewritten, unescaped
from amas_ai_router.domain.pseudonyms import (
    MAX_TOKEN,
    TOKEN,
    Pseudonyms,
    RestoringStream,
    TooManyPseudonymsError,
)
from amas_governance.dlp import DETECTORS
from hypothesis import given
from hypothesis import strategies as st

PII = frozenset({"pii"})
MAIL = "developer@example.com"
OTHER = "auditor@example.com"


def test_the_same_value_gets_the_same_token() -> None:
    """A model can tell two people apart and knows one again."""
    pseudonyms = Pseudonyms(PII)
    assert pseudonyms.hide("", f"{MAIL} to {OTHER} and {MAIL}") == "<EMAIL_1> to <EMAIL_2> and <EMAIL_1>"
    assert pseudonyms.hide("", f"+49 30 123456-78, {OTHER}") == "<PHONE_1>, <EMAIL_2>"
    assert pseudonyms.by_detector == {"email": 2, "phone": 1}


def test_a_cleared_category_is_left_alone() -> None:
    """Only what the route may not see is hidden."""
    assert Pseudonyms(PII).hide("", "4111 1111 1111 1111") == "4111 1111 1111 1111"


def test_the_callers_own_tokens_stand_for_nothing() -> None:
    """Text that looks like a token comes back as it was, and is no value's name."""
    pseudonyms = Pseudonyms(PII, frozenset({"<EMAIL_1>"}))
    assert pseudonyms.hide("", f"<EMAIL_1> {MAIL}") == "<EMAIL_1> <EMAIL_2>"
    assert pseudonyms.restore("", "<EMAIL_1> <EMAIL_2> <EMAIL_3> <b>") == f"<EMAIL_1> {MAIL} <EMAIL_3> <b>"


def test_nobody_reads_a_value_off_it() -> None:
    """A log line with the object in it tells how many there are."""
    pseudonyms = Pseudonyms(PII)
    pseudonyms.hide("", MAIL)
    assert repr(pseudonyms) == "Pseudonyms(1)"
    assert not hasattr(pseudonyms, "__dict__")


def test_a_call_with_too_many_values_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mapping is bounded."""
    monkeypatch.setattr("amas_ai_router.domain.pseudonyms.MAX_PSEUDONYMS", 2)
    with pytest.raises(TooManyPseudonymsError):
        Pseudonyms(PII).hide("", "a@example.com b@example.com c@example.com")


def test_tokens_of_all_detectors_are_found_again() -> None:
    """A detector with a longer name would make a token that a stream does not hold."""
    for detector in DETECTORS:
        token = f"<{detector.name.upper().replace('-', '_')}_10000>"
        assert TOKEN.fullmatch(token)
        assert len(token) <= MAX_TOKEN


@given(
    st.lists(st.sampled_from(["<EMAIL_1>", "<EMAIL_2>", "<EMAIL", "<", ">", "_1", " a ", "<b>", "<" * 40])).map(
        "".join
    ),
    st.lists(st.integers(0, 80), max_size=30),
)
def test_a_stream_restores_what_the_whole_text_restores(text: str, cuts: list[int]) -> None:
    """A token that was cut in two is put together first."""
    pseudonyms = Pseudonyms(PII)
    pseudonyms.hide("", f"{MAIL} {OTHER}")
    stream = RestoringStream(pseudonyms)
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    out = [stream.feed(text[a:b]) for a, b in itertools.pairwise(places)]
    assert "".join([*out, stream.end()]) == pseudonyms.restore("", text)


def test_what_is_no_token_is_not_held() -> None:
    """A less-than sign in a sentence costs no time."""
    stream = RestoringStream(Pseudonyms(PII))
    pieces = ("if a < b", " <div", "> <EMAIL", "s", " x")
    assert [stream.feed(piece) for piece in pieces] == ["if a < b", " <div", "> ", "<EMAILs", " x"]


JSON = st.recursive(
    st.one_of(st.none(), st.integers(-5, 5), st.text('a@.é\n"\\', max_size=5), st.just(MAIL)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["x", "arguments"]), inner)),
    max_leaves=8,
)


@given(JSON)
def test_hiding_and_restoring_gives_the_same_json(value: object) -> None:
    """Nothing is lost on the way out and back, and nothing of it is left on the way out."""
    pseudonyms = Pseudonyms(PII)
    hidden = rewritten(value, pseudonyms.hide)
    assert MAIL not in joined(hidden)
    restored = rewritten(hidden, pseudonyms.restore)
    assert restored == value


def test_depth_is_bounded() -> None:
    """JSON without end does not exhaust the stack."""
    value: object = "x"
    for _ in range(MAX_DEPTH + 2):
        value = [value]
    with pytest.raises(TooDeepError):
        rewritten(value, lambda _key, text: text)


def test_escapes_are_taken_out_of_what_is_no_json() -> None:
    """RFC 8259 section 7; halves of surrogate pairs become the replacement character."""
    assert unescaped(r"\u0041\n\"\\n\ud83d!") == 'A\n"\\n\ufffd!'
