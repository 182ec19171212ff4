"""Detectors of a value behind words that name it: the finding is the value alone, the words stay readable."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from .checksums import Span
from .detector import Category, Detector

UPPER, LOWER = "[A-ZÀ-Þ]", "[a-zß-ÿ'-]"
"""Letters of ASCII and Latin-1 as they stand in the forms; hyperscan reads bytes, where those of Latin-1 are two."""
_AS_BYTES = {UPPER: rb"(?:[A-Z]|\xc3[\x80-\x9e])", LOWER: rb"(?:[a-z'-]|\xc3[\x9f-\xbf])"}


def behind(
    name: str, category: Category, before: str, value: str, valid: Callable[[str], bool] = bool, *, trigger: str = ""
) -> Detector:
    """Finds `value` behind `before`, patterns in the common part of hyperscan's and Python's languages.

    `trigger` is how every value begins: what hyperscan looks for where the whole value is too large a pattern for it.
    """
    exact = re.compile(f"{before}({value})")

    def refine(text: str, start: int, _end: int) -> Iterator[Span]:
        found = exact.match(text, start)
        if found is not None and valid(found[1]):
            yield found.span(1)

    pattern = f"{before}{trigger or value}".encode()
    for written, read in _AS_BYTES.items():
        pattern = pattern.replace(written.encode(), read)
    return Detector(name, category, pattern, refine)
