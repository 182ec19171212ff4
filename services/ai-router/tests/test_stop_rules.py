"""Stop rules: an answer ends where a pattern matches, wherever the chunks are cut."""

from __future__ import annotations

import itertools

import pytest
from amas_ai_router.domain.pattern_width import longest_match
from amas_ai_router.domain.stop_rules import MAX_LOOK_BACK, StoppingStream, StopRules
from hypothesis import given, settings
from hypothesis import strategies as st

PATTERNS = [
    *("STOP", "(?i)stop", r"\bcat\b", "a|ab|abcde", "cd", "^ab", r"d$", r"[ab]{2,5}c", r"(?:ab|c)?d{1,2}", "(a(b)c)"),
    *(r"\d{3}-\d", "é日", r"(?P<x>ca)t", "a.c", r"\Aab"),
]


def whole(patterns: tuple[str, ...], text: str) -> str:
    at = StopRules(patterns).first(text)
    return text if at is None else text[:at]


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=4, unique=True).map(tuple),
    st.lists(
        st.one_of(st.sampled_from(["STOP", "sToP", "cat", "abcde", "123-4"]), st.text("abcd é日1-\n", max_size=4)),
        max_size=8,
    ).map("".join),
    st.lists(st.integers(0, 40), max_size=30),
)
def test_any_chunking_ends_where_the_whole_text_does(patterns: tuple[str, ...], text: str, cuts: list[int]) -> None:
    """What is delivered is the text before the earliest match, and the rule is seen to have stopped it."""
    stream = StoppingStream(StopRules(patterns))
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    out = [stream.feed(text[a:b]) for a, b in itertools.pairwise(places)]
    out.append(stream.end())
    assert "".join(out) == whole(patterns, text)
    assert stream.stopped is (StopRules(patterns).first(text) is not None)


@pytest.mark.parametrize("pattern", [p for p in PATTERNS if "$" not in p and "A" not in p])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_no_match_is_longer_than_its_width(pattern: str, data: st.DataObject) -> None:
    """The width decides how much is held; one that is too small would let a match's beginning out."""
    width = longest_match(pattern)
    assert width is not None
    assert len(data.draw(st.from_regex(pattern, fullmatch=True))) <= width


@pytest.mark.parametrize(
    ("pattern", "width"),
    [
        *(("a*", None), ("(?:ab)+", None), ("a{2,}", None), (r"\Qa.b\E", None), ("[[:alpha:]]{3}", 3), ("[]a]b", 2)),
        *((r"\x{1F600}\pL\p{Greek}", 3), ("(?i)(?:as an )?ai", 8), (r"\bx\b|^$", 1), ("(?:a{2}){3}", 6), ("()*", 0)),
    ],
)
def test_widths(pattern: str, width: int | None) -> None:
    """Known where the pattern bounds it, and None where it does not or is not understood."""
    StopRules((pattern,))
    assert longest_match(pattern) == width


def test_a_stream_holds_no_more_than_a_match_can_need() -> None:
    """A short pattern costs a few characters of delay."""
    stream = StoppingStream(StopRules(("STOP",)))
    assert stream.feed("0123456789") == "01234"
    assert stream.end() == "56789"


def test_a_match_without_bound_is_seen_at_the_look_back() -> None:
    """Memory is bounded; what is before the last MAX_LOOK_BACK characters of such a match has gone out."""
    stream = StoppingStream(StopRules(("<x.*x>",)))
    text = "ok <x" + "y" * (2 * MAX_LOOK_BACK)
    out = "".join(stream.feed(character) for character in text)
    assert len(text) - len(out) == MAX_LOOK_BACK
    short = StoppingStream(StopRules(("<x.*x>",)))
    assert short.feed("ok <x" + "y" * 100 + "x> more") + short.end() == "ok "
    assert short.stopped
