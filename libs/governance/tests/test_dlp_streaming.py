"""dlp on streams: whatever the chunks, what comes out is what redacting the whole text gives (invariant I7)."""

from __future__ import annotations

import itertools

import pytest
from amas_governance.dlp import DETECTORS, Detector, StreamRedactor, redact, scan
from amas_governance.dlp.beginnings import BEGINNINGS, beginnings_of
from amas_governance.dlp.streaming import MAX_HELD
from hypothesis import example, given, settings
from hypothesis import strategies as st

from .test_dlp import AWS, GITHUB, JWT, KEY, OPENAI, SLACK

EVERYTHING = frozenset({"secret", "pci", "phi", "pii"})
AWS_SECRET = "aws_secret_access_key = " + "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
STRIPE = "sk_" + "live_" + "a1B2" * 5
GOOGLE = "AI" + "za" + "b" * 35
PLANTED = st.sampled_from(
    [
        *(AWS, AWS_SECRET, GITHUB, SLACK, OPENAI, STRIPE, GOOGLE, JWT, KEY, KEY[:40], "glpat-" + "x1" * 11),
        *("postgres://amas:hunter2@db", "4111 1111 1111 1111", "378282246310005", "DE89 3704 0044 0532 0130 00"),
        *("developer@example.com", "+49 30 123456-78", "123-45-6789", "AB12 CD34", "-----END PRIVATE KEY-----"),
        *("756.9217.0769.85", "2 95 10 99 126 111 93", "1EG4-TE5-MK73", "54362315K", "npm_" + "a1B2" * 9),
        *("hvs." + "aB3" * 9, "AB 12 34 56 C", "880320-0016", "hf_" + "aB" * 17, "2341 2341 2346"),
        *("4111 1111 1111 1112", "1 2 3 4 5 6 7 8 9 0 1 2 3 4 5", "12345678901234567890123", "GB29NWBK60161331926819"),
    ]
)
NOISE = st.text(alphabet='ab 1-.@é\n:/+_"A日😀', max_size=8)
TEXTS = st.lists(st.one_of(NOISE, PLANTED), max_size=8).map("".join)
# Each set is compiled once, which takes a second.
CATEGORIES = st.sampled_from([EVERYTHING, *map(frozenset, ({"secret"}, {"pci"}, {"phi", "pii"}, {"pci", "secret"}))])


def chunked(text: str, cuts: list[int]) -> list[str]:
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    return [text[a:b] for a, b in itertools.pairwise(places)]


def streamed(chunks: list[str], categories: frozenset[str] = EVERYTHING) -> str:
    redactor = StreamRedactor(categories)
    return "".join([*(redactor.feed(chunk) for chunk in chunks), redactor.end()])


@settings(max_examples=400, deadline=None)
@given(TEXTS, st.lists(st.integers(0, 300), max_size=40), CATEGORIES)
@example(KEY + "-----BEGIN PRIVATE KEY-----x", [1, 2, 3], EVERYTHING)
@example(f"{KEY}developer@example.com 4111111111111111", [60, 61, 62], EVERYTHING)
def test_any_chunking_gives_what_the_whole_text_gives(text: str, cuts: list[int], categories: frozenset[str]) -> None:
    """No secret gets through because it was cut in two, and nothing else is lost or moved."""
    assert streamed(chunked(text, cuts), categories) == redact(text, scan(text, categories))


@settings(max_examples=200, deadline=None)
@given(TEXTS, CATEGORIES)
def test_single_characters_give_what_the_whole_text_gives(text: str, categories: frozenset[str]) -> None:
    """The finest chunking of all."""
    assert streamed(list(text), categories) == redact(text, scan(text, categories))


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.name)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_every_beginning_of_a_match_is_held(detector: Detector, data: st.DataObject) -> None:
    """A beginning that its pattern misses would be released before the finding is complete."""
    index, wanted = DETECTORS.index(detector), detector
    match = data.draw(st.from_regex(wanted.pattern, fullmatch=True))
    length = data.draw(st.integers(1, len(match) - 1))
    reach = BEGINNINGS[wanted.name].reach
    assert reach is None or len(match) <= reach + 1
    held = [start for number, start, _ in beginnings_of(EVERYTHING).longest(match[:length]) if number == index]
    # A card is held from the last group that a number could begin at.
    assert held
    assert min(held) == 0 or wanted.name == "card"


def test_every_detector_has_a_beginning() -> None:
    """A detector without one would not hold on streams."""
    assert set(BEGINNINGS) == {detector.name for detector in DETECTORS}


@pytest.mark.parametrize("text", ["Hello, world. ", "a b: (c) ", "12 apples, 3 pears\n", "x := y / 2; "])
def test_what_begins_nothing_is_released_at_once(text: str) -> None:
    """Holding back costs time to the first token, so it happens only where it must."""
    assert StreamRedactor(EVERYTHING).feed(text) == text


def test_a_word_waits_for_its_end_alone() -> None:
    """An address could begin with the last word, and with nothing before it."""
    redactor = StreamRedactor(EVERYTHING)
    assert redactor.feed("Dear developer") == "Dear "
    assert redactor.feed(", ") == "developer, "


@pytest.mark.parametrize(
    ("start", "detector", "unit"),
    [("sk-", "openai-key", "a1"), ("eyJ", "jwt", "Zm9v"), ("developer", "email", "x"), ("ghp_", "github-token", "9")],
)
def test_what_is_longer_than_the_bound_is_dropped_to_its_end(start: str, detector: str, unit: str) -> None:
    """Memory is bounded, and a secret that is longer than the bound does not get out for it."""
    redactor = StreamRedactor(EVERYTHING)
    out = [redactor.feed("see ")]
    for _ in range(3 * MAX_HELD // 64):
        out.append(redactor.feed(start + unit * (64 // len(unit))))
        start = ""
        assert len(redactor._held) <= MAX_HELD
    out += [redactor.feed(" and then. "), redactor.end()]
    assert "".join(out) == f"see [redacted:{detector}] and then. "
    assert redactor.findings == {detector: 1}


def test_a_long_private_key_is_swallowed_with_bounded_memory() -> None:
    """Everything from the first line to the end marker goes, however long it is."""
    redactor = StreamRedactor(frozenset({"secret"}))
    head, tail = KEY.split("MIIB")
    out = [redactor.feed(f"key: {head}")]
    assert out == ["key: [redacted:private-key]"]
    for _ in range(2000):
        out.append(redactor.feed("MIIB" * 16 + "\n"))
        assert len(redactor._held) <= 3 * MAX_HELD
    out += [redactor.feed(tail[:9]), redactor.feed(tail[9:] + " done."), redactor.end()]
    assert "".join(out) == "key: [redacted:private-key] done."


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 40))
def test_digits_without_end_are_not_held_without_end(size: int) -> None:
    """Long rows of numbers are no cards; they pass, and a card among them does not."""
    text = "3141592653589793 2384626433 " * 400 + "4111 1111 1111 1111 " + "27 18 28 " * 900
    chunks = [text[at : at + size * 25] for at in range(0, len(text), size * 25)]
    assert streamed(chunks, frozenset({"pci"})) == redact(text, scan(text, frozenset({"pci"})))


@settings(deadline=None)
@given(TEXTS, st.lists(st.integers(0, 300), max_size=20))
def test_spans_name_what_was_redacted(text: str, cuts: list[int]) -> None:
    """Whoever keeps other data about the text (log probabilities) learns which of it must go."""
    redactor = StreamRedactor(EVERYTHING)
    for chunk in chunked(text, cuts):
        redactor.feed(chunk)
        assert redactor.settled <= len(text.encode())
    redactor.end()
    taken = {place for start, end in redactor.spans for place in range(start, end)}
    expected = set()
    for finding in scan(text):
        start = len(text[: finding.start].encode())
        expected |= set(range(start, start + len(text[finding.start : finding.end].encode())))
    assert taken == expected
