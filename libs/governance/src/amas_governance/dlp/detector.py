"""What a detector is: a pattern, a category, and the check that tells a real one from what only looks like it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from .checksums import Span

Category = Literal["secret", "pci", "phi", "pii"]
Refine = Callable[[str, int, int], Iterable[Span]]
"""Narrows (or widens) a match to the exact spans that are real; none means a false alarm."""


@dataclass(frozen=True)
class Detector:
    """One kind of sensitive text. `pattern` is in hyperscan's language, over bytes; ties go to the earlier entry."""

    name: str
    category: Category
    pattern: bytes
    refine: Refine | None = None
