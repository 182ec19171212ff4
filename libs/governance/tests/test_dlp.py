"""dlp: finds what is sensitive, verifies what can be verified, and leaves nothing sticking out."""

from __future__ import annotations

import threading

import pytest
from amas_governance.dlp import Finding, ScanRefused, redact, scan
from hypothesis import given
from hypothesis import strategies as st

# Made-up values in the form of the real ones, put together here so that no scanner takes this file for a leak.
AWS = "AKIA" + "IOSFODNN7EXAMPLE"
GITHUB = "ghp_" + "a1B2" * 9
SLACK = "xoxb-" + "123456789012-abcdef"
OPENAI = "sk-" + "proj-" + "Ab3" * 10
JWT = "eyJhbGciOiJFUzI1NiJ9." + "eyJzdWIiOiJkZXYifQ." + "c2lnbmF0dXJl"
KEY = "-----BEGIN " + "PRIVATE KEY-----\nMIIB\n-----END " + "PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("card 4111 1111 1111 1111.", "card [redacted:card]."),
        ("4111-1111-1111-1111", "[redacted:card]"),
        ("amex 378282246310005 ok", "amex [redacted:card] ok"),
        ("order 1234 4111111111111111", "order 1234 [redacted:card]"),
        ("abc1 4111111111111111", "abc1 [redacted:card]"),
        ("1 2 4111-1111-1111-1111 3", "1 2 [redacted:card] 3"),
        ("4111 1111 1111 1111 1111x", "[redacted:card] 1111x"),
        ("é4111111111111111é", "é[redacted:card]é"),
        ("IBAN DE89 3704 0044 0532 0130 00 please", "IBAN [redacted:iban] please"),
        ("GB29NWBK60161331926819", "[redacted:iban]"),
        ("developer@example.com, hello", "[redacted:email], hello"),
        ("call +49 30 123456-78 now", "call [redacted:phone] now"),
        ("ssn 123-45-6789", "ssn [redacted:us-ssn]"),
        (f"key={AWS}", "key=[redacted:aws-access-key]"),
        (f"token {GITHUB}", "token [redacted:github-token]"),
        (SLACK, "[redacted:slack-token]"),
        (f"Bearer {OPENAI}", "Bearer [redacted:openai-key]"),
        (f"Bearer {JWT}", "Bearer [redacted:jwt]"),
        (f"{KEY} end", "[redacted:private-key] end"),
        (KEY[:40], "[redacted:private-key]"),
        ("postgres://amas:hunter2@db/x", "[redacted:url-password]db/x"),
        ("日本 developer@example.com 日本", "日本 [redacted:email] 日本"),
    ],
)
def test_sensitive_text_is_redacted(text: str, expected: str) -> None:
    """Each kind is found at its exact place, also beside characters of several bytes."""
    assert redact(text, scan(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",
        "commit 59323da4111111111111111aabbccddeeff001122",
        "4111 1111 1111 1111a",
        "a4111111111111111",
        "2026-11-23 09:44:00 +0000",
        "DE89 3704 0044 0532 0130 01",
        "DE8937040044053201300",
        "666-12-3456",
        "version 1.2.3, 10.0.0.1:8080, 1700000000000",
        "sk-short",
        "AKIA123",
        "user@localhost",
        "",
    ],
)
def test_what_only_looks_alike_is_left_alone(text: str) -> None:
    """Checksums and lengths keep hashes, dates and numbers from being taken away."""
    assert scan(text) == []


def test_categories() -> None:
    """The category decides which clearance is needed."""
    found = {finding.detector: finding.category for finding in scan(f"a@example.com 4111111111111111 {AWS}")}
    assert found == {"email": "pii", "card": "pci", "aws-access-key": "secret"}


PIECES = st.sampled_from(
    [AWS, GITHUB, OPENAI, JWT, KEY, "a@example.com", "4111 1111 1111 1111", "DE89370400440532013000", "+4930123456789"]
)
NOISE = st.text(alphabet="ab 1-.@é\n:/+", max_size=6)


@given(st.lists(st.tuples(NOISE, PIECES), max_size=5))
def test_findings_are_sorted_apart_and_inside_the_text(parts: list[tuple[str, str]]) -> None:
    """Findings can be applied from left to right without a clash."""
    text = "".join(noise + piece for noise, piece in parts)
    findings = scan(text)
    at = 0
    for finding in findings:
        assert at <= finding.start < finding.end <= len(text)
        at = finding.end


@given(st.lists(st.tuples(st.text(alphabet="xy ,;", max_size=6), PIECES), max_size=5))
def test_redacted_text_holds_no_secret_any_more(parts: list[tuple[str, str]]) -> None:
    """What was redacted is gone, and scanning again finds nothing of it."""
    text = "".join(f"{noise} {piece} " for noise, piece in parts)
    clean = redact(text, scan(text))
    assert all(piece not in clean for _, piece in parts)
    assert scan(clean) == []


def test_overlapping_findings_cover_all_of_both() -> None:
    """Nothing sticks out where two detectors overlap, and the graver one gives the name."""
    assert redact("0123456789", [Finding(2, 6, "email", "pii"), Finding(4, 8, "jwt", "secret")]) == "01[redacted:jwt]89"


def test_scans_from_many_threads_agree() -> None:
    """The engine's scratch space is never shared by two scans."""
    text = f"a@example.com {AWS} " * 200
    expected, results = scan(text), []

    def work() -> None:
        results.append(all(scan(text) == expected for _ in range(5)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 4


def test_a_text_beyond_the_bound_is_refused() -> None:
    """What is not scanned is not called clean (fail closed)."""
    with pytest.raises(ScanRefused, match="longer"):
        scan("x" * (16 * 1024 * 1024 + 1))
