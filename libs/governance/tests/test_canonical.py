"""canonical: one value, one text, one digest."""

from __future__ import annotations

import json

import pytest
import rfc8785
from amas_governance.canonical import MAX_DEPTH, JsonRefused, canonical_json, digest, parse_json
from hypothesis import given
from hypothesis import strategies as st

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abé\U0001f600", max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_canonical_form_is_a_fixed_point(value: object) -> None:
    """Reading canonical JSON and writing it again gives the same bytes, so a digest survives transport."""
    first = canonical_json(value)
    assert canonical_json(parse_json(first)) == first


@given(JSON)
def test_the_short_way_writes_what_the_library_writes(value: object) -> None:
    """Most values are written by the standard library: byte for byte as RFC 8785 says."""
    assert canonical_json(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [2**53, -(2**53), "\ud800", {"\udfff": 1}, {1: 2}, {"a": {1, 2}}, float("nan"), b"x"])
def test_what_json_cannot_carry_is_refused(value: object) -> None:
    """Whichever way it would be written."""
    with pytest.raises(JsonRefused):
        canonical_json(value)


def test_what_only_looks_like_json_is_written_as_the_library_does() -> None:
    """A tuple is a list, a name beyond ASCII is sorted by UTF-16, a subclass is what it stands for."""

    class Text(str):
        pass

    value = {"\uffee": (1, 2), "\U0001f600": [Text("a"), True], "a": 1.0}
    assert canonical_json(value) == rfc8785.dumps(value) == '{"a":1,"😀":["a",true],"\uffee":[1,2]}'.encode()


@given(st.dictionaries(st.text("abc", min_size=1), st.integers(0, 9), min_size=2))
def test_order_of_keys_does_not_matter(value: dict[str, int]) -> None:
    """The same object gives the same digest in whatever order it was built."""
    assert digest(value) == digest(dict(reversed(value.items())))


def test_the_example_of_rfc_8785() -> None:
    """The sample of RFC 8785 section 3.2.2 to 3.2.4 comes out byte for byte."""
    text = (
        '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],'
        '"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}'
    )
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical_json(parse_json(text)) == expected.encode()


def test_a_whole_double_is_the_same_number_as_an_integer() -> None:
    """1.0 and 1 are one JSON number and have one digest."""
    assert digest({"n": 1.0}) == digest({"n": 1})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a":1,"a":2}', "twice"),
        ('{"x":{"a":1,"\\u0061":2}}', "twice"),
        ("NaN", "not JSON"),
        ("[Infinity]", "not JSON"),
        ("[-Infinity]", "not JSON"),
        ("1e999", "range of a double"),
        ("9007199254740993", "rounded"),
        ("1" * 5000, "rounded"),
        ('"\\ud800"', "surrogate"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "deeper"),
        ("[" * 100_000, "deeper"),
        ('{"a":}', "column"),
        ("", "not JSON"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(text: str, words: str) -> None:
    """Ambiguous or hostile JSON never becomes a value (invariant I11)."""
    with pytest.raises(JsonRefused, match=words):
        parse_json(text)


def test_depth_counts_nesting_and_not_brackets() -> None:
    """A flat list of many lists is fine, and so are brackets inside texts."""
    assert len(parse_json(json.dumps([[]] * 1000))) == 1000
    assert parse_json(json.dumps("[" * 1000 + '"')) == "[" * 1000 + '"'


def test_a_text_beyond_the_bound_is_refused_before_it_is_read() -> None:
    """Size is checked in bytes, before parsing."""
    with pytest.raises(JsonRefused, match="longer"):
        parse_json('"éé"', max_bytes=5)


@pytest.mark.parametrize("value", [2**53, float("nan"), float("inf"), "\ud800", {1: 2}, object()])
def test_what_json_cannot_carry_exactly_has_no_digest(value: object) -> None:
    """A digest is never taken of a value that was rounded or repaired on the way."""
    with pytest.raises(JsonRefused):
        digest(value)
