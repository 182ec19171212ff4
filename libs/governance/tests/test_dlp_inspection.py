"""dlp: what is written otherwise, split or hidden in a key is seen, and can be taken out where it stands."""

from __future__ import annotations

import base64
import html
import urllib.parse
from typing import Any

import pytest
from amas_governance.dlp import ScanRefused, Sighting, inspect_text, inspect_value, replace_sightings
from amas_governance.dlp.decoding import readings
from amas_governance.dlp.inspection import MAX_TEXTS
from amas_governance.dlp.scanning import scan, scan_all
from hypothesis import given, settings
from hypothesis import strategies as st

from .test_dlp import AWS, GITHUB, JWT, KEY, OPENAI

SECRETS = st.sampled_from([AWS, GITHUB, JWT, OPENAI, KEY])
FULL_WIDTH = {ord(character): ord(character) + 0xFEE0 for character in map(chr, range(0x21, 0x7F))}
# Cyrillic capitals by their code points: a, o, e, ka, em, er, dze, i.
LOOK_ALIKES = dict(zip(map(ord, "AOEKMPSI"), (0x410, 0x41E, 0x415, 0x41A, 0x41C, 0x420, 0x405, 0x406), strict=True))
ARABIC_INDIC = {ord(str(digit)): 0x660 + digit for digit in range(10)}
ENCODERS = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64, URL alphabet": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 in lines": lambda text: base64.encodebytes((text + " " * 80).encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal with colons": lambda text: ":".join(f"{byte:02X}" for byte in text.encode()),
    "percent signs": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "entities": lambda text: "".join(f"&#{ord(character)};" for character in text),
    "hexadecimal entities": lambda text: "".join(f"&#x{ord(character):x};" for character in text),
    "JSON escapes": lambda text: "".join(f"\\u{ord(character):04x}" for character in text),
    "zero-width spaces": lambda text: "\u200b".join(text),
    "soft hyphens": lambda text: "\u00ad".join(text),
    "full-width forms": lambda text: text.translate(FULL_WIDTH),
}


def kinds(value: Any) -> set[str]:
    return {sighting.detector for sighting in inspect_value(value)}


@pytest.mark.parametrize("encoder", ENCODERS)
@settings(deadline=None)
@given(
    secret=SECRETS, before=st.sampled_from(["", "see ", "x=", "日本 "]), after=st.sampled_from(["", " and", ".", "\n"])
)
def test_a_secret_that_is_encoded_once_is_seen(encoder: str, secret: str, before: str, after: str) -> None:
    """Whatever stands around it, and redacting takes the whole of it out."""
    written = ENCODERS[encoder](secret)
    text = f"{before}{written}{after}"
    found = inspect_text(text)
    assert found
    assert written not in replace_sightings(text, found)
    assert inspect_text(replace_sightings(text, found)) == []


def test_letters_that_look_alike_are_read_as_people_read_them() -> None:
    """Cyrillic letters in an access key."""
    written = AWS.translate(LOOK_ALIKES)
    assert written != AWS
    assert [(s.detector, s.encoding) for s in inspect_text(f"key {written}")] == [("aws-access-key", "folded")]


@pytest.mark.parametrize(
    ("text", "detector"),
    [
        (urllib.parse.quote("write to developer@example.com"), "email"),
        (html.escape("<developer@example.com>").replace("@", "&commat;"), "email"),
        ("4111 1111 1111 1111".translate(ARABIC_INDIC), "card"),
        (base64.b64encode(b"card 4111 1111 1111 1111 please").decode(), "card"),
    ],
)
def test_personal_data_that_is_encoded_once_is_seen(text: str, detector: str) -> None:
    """Not secrets alone."""
    assert detector in kinds({"text": text})


@settings(deadline=None)
@given(secret=st.sampled_from([AWS, GITHUB, OPENAI, JWT]), data=st.data())
def test_a_secret_that_is_split_over_arguments_is_seen(secret: str, data: st.DataObject) -> None:
    """In the order of the arguments or in the other one, also as a list of characters; every part is named."""
    cut = data.draw(st.integers(1, len(secret) - 1))
    head, tail = secret[:cut], secret[cut:]
    for value in (
        {"a": head, "b": tail},
        {"a": tail, "b": head},
        {"n": 1, "x": [head, tail]},
        [{"v": c} for c in secret],
    ):
        found = inspect_value(value)
        assert found
        assert secret not in str(replace_sightings(value, found))


def test_numbers_side_by_side_are_no_card_by_chance() -> None:
    """Only groups of digits as cards have them, one behind the other."""
    assert "card" in kinds({"number": ["4111 1111", "1111 1111"]})
    assert "card" not in kinds({"count": "4", "id": "x111111111111111"})


def test_a_key_may_hold_what_is_sensitive_or_name_it() -> None:
    """`password` makes of a word a password; a secret in a key is as loud as one in a value."""
    assert kinds({"password": "Tr0ub4dor3xyzQ9"}) == {"password"}
    assert kinds({"note": "Tr0ub4dor3xyzQ9"}) == set()
    found = inspect_value({AWS: {"deep": [1, "x"]}})
    assert found == [Sighting((AWS,), 0, len(AWS), "aws-access-key", "secret", "plain", True)]
    assert replace_sightings({AWS: {"deep": [1, "x"]}}, found) == {"[redacted:aws-access-key]": {"deep": [1, "x"]}}


def test_numbers_are_read_as_they_would_be_written() -> None:
    """A card number is one without quotes too; what replaces it is a text."""
    found = inspect_value({"card": 4111111111111111, "flag": True})
    assert replace_sightings({"card": 4111111111111111, "flag": True}, found) == {
        "card": "[redacted:card]",
        "flag": True,
    }


def test_keys_that_become_the_same_do_not_displace_each_other() -> None:
    """Redaction loses no value."""
    value = {AWS: 1, AWS[:-1] + "X": 2}
    assert replace_sightings(value, inspect_value(value)) == {
        "[redacted:aws-access-key]": 1,
        "[redacted:aws-access-key]#2": 2,
    }


def test_too_many_texts_are_refused() -> None:
    """What is not looked through is not called clean (fail closed)."""
    with pytest.raises(ScanRefused, match="texts"):
        inspect_value(["a"] * (MAX_TEXTS + 1))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30) | SECRETS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)


@settings(deadline=None)
@given(JSON)
def test_any_value_is_inspected_and_redacted_without_a_crash(value: Any) -> None:
    """Every sighting lies inside its text, and what was redacted holds no plain secret any more."""
    found = inspect_value(value)
    clean = replace_sightings(value, found)
    assert not [s for s in inspect_value(clean) if s.category == "secret" and s.encoding == "plain"]


@settings(deadline=None)
@given(st.text())
def test_each_character_of_a_reading_has_its_place(text: str) -> None:
    """A finding in a reading always has a span in the text."""
    for reading in readings(text):
        assert len(reading.text) == len(reading.places)
        assert all(0 <= start < end <= len(text) for start, end in reading.places)


ENCODED_NOISE = st.text(alphabet="aB1+/_-=\r\n 0xfF:,%é", max_size=60)


@settings(deadline=None)
@given(st.lists(ENCODED_NOISE, min_size=1, max_size=4))
def test_what_is_not_hinted_at_has_no_such_reading(texts: list[str]) -> None:
    """The pass that looks for encoded runs must not miss one that would be decoded."""
    _, hints = scan_all(texts)
    for text in texts:
        assert list(readings(text, hints)) == list(readings(text))


@settings(deadline=None)
@given(
    st.lists(ENCODED_NOISE | SECRETS | st.sampled_from(["a@example.com", "4111 1111 1111", "1111", "日本"]), max_size=6)
)
def test_many_texts_hold_what_each_holds(texts: list[str]) -> None:
    """Texts that are looked through together have the findings that each has alone, at the same places."""
    assert scan_all(texts)[0] == [scan(text, deep=True) for text in texts]


@pytest.mark.parametrize(
    "text",
    [
        "The release notes are in docs/notes.md, see RFC 9162 and commit 59323da4111111111111111aabbccddeeff001122.",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "https://example.com/path?q=a%20b&lang=en",
        "SGVsbG8gd29ybGQsIHRoaXMgaXMgaGFybWxlc3M=",
        "Привет, как дела? 你好",
    ],
)
def test_what_is_harmless_stays(text: str) -> None:
    """Hashes, links and other scripts are no findings."""
    assert inspect_text(text) == []
