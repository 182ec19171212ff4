"""Which steps an expression refers to: the edges of an orchestration's graph."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .templates import Expression, ExpressionError, split, without_strings

_STEP = re.compile(r"(?<![\w.])steps\s*\.\s*([A-Za-z_][A-Za-z0-9_]*)")
_INDEXED = re.compile(r"""(?<![\w.])steps\s*\[\s*(["'])([A-Za-z_][A-Za-z0-9_]*)\1\s*\]""")


def sources(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Each expression in a value with the path of the text that holds it; raises ExpressionError for a broken one."""
    if isinstance(value, str):
        for part in split(value):
            if isinstance(part, Expression):
                yield path, part.source
    elif isinstance(value, Mapping):
        for key, child in value.items():
            yield from sources(child, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for index, child in enumerate(value):
            yield from sources(child, (*path, index))


def names(value: Any) -> set[str]:
    """Names of the steps that the expressions in a value refer to; broken expressions raise ExpressionError."""
    found: set[str] = set()
    for _, source in sources(value):
        found |= source_names(source)
    return found


def source_names(source: str) -> set[str]:
    """The same for the text of one expression."""
    direct = set(_STEP.findall(without_strings(source)))
    return direct | {match[1] for match in _INDEXED.findall(source)}


__all__ = ["ExpressionError", "names", "source_names", "sources"]
