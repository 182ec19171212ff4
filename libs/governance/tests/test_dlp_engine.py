"""Compiled patterns are kept for the next process, and what was kept finds what compiling finds."""

from __future__ import annotations

import pytest
from amas_governance.dlp import engine
from amas_governance.dlp.engine import Engine

PATTERNS = [rb"\bkey-[a-z]{4,}", rb"[0-9]{3}"]
HINTS = [rb"[A-Z]{3}"]
TEXT = b"key-abcdef 1234 ABC"


class Shelf(dict[str, bytes]):
    """Kept in memory."""

    def put(self, name: str, content: bytes) -> None:
        self[name] = content


def refuse_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    def compiled(*_: object) -> None:
        raise AssertionError("it was kept")

    monkeypatch.setattr(engine, "_compiled", compiled)


def test_what_was_kept_is_not_compiled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """And gives the same matches and hints."""
    shelf = Shelf()
    expected = Engine(PATTERNS, HINTS, kept=shelf).look(TEXT)
    assert expected == Engine(PATTERNS, HINTS).look(TEXT)
    assert expected[0]
    assert expected[1] == [0]
    refuse_to_compile(monkeypatch)
    assert Engine(PATTERNS, HINTS, kept=shelf).look(TEXT) == expected


@pytest.mark.parametrize("kept", [b"", b"junk", b"x" * 5000])
def test_what_cannot_be_used_is_compiled_and_replaced(kept: bytes) -> None:
    """Such as what another version wrote."""
    shelf = Shelf()
    Engine(PATTERNS, HINTS, kept=shelf)
    ((name, good),) = shelf.items()
    shelf[name] = kept
    assert Engine(PATTERNS, HINTS, kept=shelf).look(TEXT) == Engine(PATTERNS, HINTS).look(TEXT)
    assert len(shelf[name]) == len(good)


@pytest.mark.parametrize(("patterns", "hints"), [(PATTERNS[:1], HINTS), (PATTERNS, []), (PATTERNS[::-1], HINTS)])
def test_other_patterns_have_another_name(patterns: list[bytes], hints: list[bytes]) -> None:
    """Nothing is ever taken for patterns that it was not compiled from."""
    shelf = Shelf()
    Engine(PATTERNS, HINTS, kept=shelf)
    Engine(patterns, hints, kept=shelf)
    Engine([*PATTERNS, *HINTS], kept=shelf)
    assert len(shelf) == 3
