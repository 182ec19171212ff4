"""path_prefixes: what passes lies under a prefix, whichever way a tool reads it (invariant I1)."""

from __future__ import annotations

import posixpath
import unicodedata
from urllib.parse import unquote

import pytest
from amas_governance.path_prefixes import check_prefixes, outside_prefixes
from hypothesis import given, settings
from hypothesis import strategies as st

PREFIXES = ("docs", "notes/2026", "/srv/share")

# Pieces that paths are attacked with, and plain ones.
PIECES = st.sampled_from(
    [
        "docs",
        "notes",
        "2026",
        "srv",
        "share",
        "a.md",
        "..",
        ".",
        "/",
        "//",
        "\\",
        "%2e",
        "%2F",
        "%252e",
        "%00",
        "\x00",
        "~",
        "C:",
        "file:",
        " ",
        "\t",
        "\n",
        "\u2025",
        "\uff0e",
        "\uff0f",
        "\u2215",
        "\u2024",
        "\u200b",
        "\u202e",
        "\ufe68",
        "etc",
        "passwd",
        "...",
        ".git",
        "-",
        "docs-secret",
        "DOCS",
        "é",
        "\ud800",
    ]
)
HOSTILE = st.lists(PIECES, max_size=10).map("".join) | st.lists(PIECES, max_size=8).map("/".join) | st.text(max_size=30)


def readings(text: str) -> set[str]:
    """What tools of all kinds may make of a text."""
    found = {text}
    for _ in range(3):
        found |= {unquote(one) for one in found}
        found |= {unicodedata.normalize("NFKC", one) for one in found}
        found |= {one.replace("\\", "/") for one in found}
        found |= {one.strip() for one in found}
        found |= {"".join(c for c in one if c.isprintable()) for one in found}
        found |= {one.split("\x00")[0] for one in found}
    return found


def within(text: str, prefix: str) -> bool:
    """Whether the path, opened in the folder /work, is under the prefix: the operating system's view, without links."""
    wanted = posixpath.normpath(posixpath.join("/work", prefix))
    opened = posixpath.normpath(posixpath.join("/work", text))
    return opened == wanted or opened.startswith(f"{wanted}/")


@settings(deadline=None)
@given(HOSTILE)
def test_nothing_outside_passes_however_it_is_read(text: str) -> None:
    """I1: a path that passes is under a prefix after decoding, folding, trimming and normalising, in any order."""
    if outside_prefixes(text, PREFIXES) is None:
        for reading in readings(text):
            assert any(within(reading, prefix) for prefix in PREFIXES)


@settings(deadline=None)
@given(st.lists(st.from_regex(r"\A[a-z0-9_-]{1,8}(\.[a-z]{1,3})?\Z"), min_size=1, max_size=6))
def test_every_plain_path_below_a_prefix_passes(parts: list[str]) -> None:
    """The keyword does not stop the work that it is for."""
    for prefix in PREFIXES:
        assert outside_prefixes("/".join([prefix, *parts]), PREFIXES) is None
        assert outside_prefixes("/".join([prefix, ".", *parts, ""]), PREFIXES) is None


@pytest.mark.parametrize("value", ["docs", "docs/", "docs//a.md", "docs/./a.md", "./docs/a b.md", "docs/é/日本.md"])
def test_spellings_of_one_path_pass(value: str) -> None:
    """The folder itself, doubled slashes and `.` are the same path to everybody."""
    assert outside_prefixes(value, ["docs"]) is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a.md",
        "docs-secret/a",
        "docs/../a",
        "docs/sub/../a.md",
        "../docs/a",
        "/docs/a",
        "//docs/a",
        "docs\\..\\a",
        "docs/%2e%2e/a",
        "docs/\x00",
        "docs/\uff0e\uff0e/a",
        "docs/\u2025/a",
        "docs/a\u200b",
        " docs/a",
        "docs/a\n",
        "Docs/a",
        "~/docs",
        "C:/docs",
        "file:docs/a",
        None,
        1,
        True,
        ["docs/a"],
        {"path": "docs/a"},
        "docs/" + "a" * 5000,
    ],
)
def test_what_is_no_plain_path_below_is_refused(value: object) -> None:
    """Values of other types are refused like paths elsewhere, and no message repeats one."""
    wrong = outside_prefixes(value, ["docs"])
    assert wrong is not None
    assert "secret" not in wrong


@pytest.mark.parametrize(("prefix", "value", "passes"), [(".", "a/b", True), (".", "/a", False), ("/", "/a/b", True)])
def test_roots(prefix: str, value: str, passes: bool) -> None:
    """`.` is any relative path, `/` any absolute one; neither is the other."""
    assert (outside_prefixes(value, [prefix]) is None) == passes


@pytest.mark.parametrize("prefix", ["", "..", "a/../b", "a\\b", "%2e", "~/a", "C:/", " a"])
def test_a_prefix_that_no_path_has_is_refused_when_it_is_written(prefix: str) -> None:
    """A prefix that would silently refuse all, or mean something else, is a mistake of its author."""
    with pytest.raises(ValueError, match="a prefix of pathPrefixes"):
        check_prefixes(["docs", prefix])
