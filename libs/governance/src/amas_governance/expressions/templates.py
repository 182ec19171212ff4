"""Finds `${…}` in texts. Knows nothing of CEL but its quotes and braces; `$${` stands for a literal `${`."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_EXPRESSION = 2_000
"""Characters of one expression."""
MAX_EXPRESSIONS = 64
"""Expressions in one text."""


class ExpressionError(ValueError):
    """An expression that is malformed, of the wrong type, too costly or that failed; the message is safe to show."""


@dataclass(frozen=True)
class Expression:
    """The CEL text between `${` and `}`."""

    source: str


def split(text: str) -> list[str | Expression]:
    """The literal parts and expressions of a text, in order; raises ExpressionError for an open `${`."""
    parts: list[str | Expression] = []
    literal = ""
    at = count = 0
    while at < len(text):
        if text.startswith("$${", at):
            literal += "${"
            at += 3
        elif text.startswith("${", at):
            end = _closing(text, at + 2)
            source = text[at + 2 : end].strip()
            count += 1
            _refuse_unbounded(source, count)
            if literal:
                parts.append(literal)
                literal = ""
            parts.append(Expression(source))
            at = end + 1
        else:
            literal += text[at]
            at += 1
    if literal or not parts:
        parts.append(literal)
    return parts


def whole(text: str) -> Expression | None:
    """The expression, if the text is exactly one `${…}`."""
    parts = split(text)
    only = parts[0] if len(parts) == 1 else None
    return only if isinstance(only, Expression) else None


def without_strings(source: str) -> str:
    """The CEL text with its string literals emptied, so that names can be looked for."""
    return _STRING.sub('""', source)


_STRING = re.compile(
    r'[rRbB]{0,2}("""(?:\\.|[^\\])*?"""|\'\'\'(?:\\.|[^\\])*?\'\'\'|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\')', re.S
)


def _closing(text: str, at: int) -> int:
    """Position of the brace that closes an expression which begins at `at`."""
    depth = 1
    while at < len(text):
        character = text[at]
        if character in "\"'":
            string = _STRING.match(text, at)
            if string is None:
                break
            at = string.end()
            continue
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth == 0:
            return at
        at += 1
    raise ExpressionError("an expression `${` is not closed by `}`")


def _refuse_unbounded(source: str, count: int) -> None:
    if not source:
        raise ExpressionError("an expression `${}` is empty")
    if len(source) > MAX_EXPRESSION:
        raise ExpressionError(f"an expression has at most {MAX_EXPRESSION} characters")
    if count > MAX_EXPRESSIONS:
        raise ExpressionError(f"a text has at most {MAX_EXPRESSIONS} expressions")
