"""Runs expressions over plain values. Costs are bounded: length, nesting of comprehensions, and CEL's own budget of
iterations; nothing an expression says can read or change anything outside its scope.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from cel_expr_python import cel  # type: ignore[import-untyped]  # ships no py.typed

from amas_governance.canonical import MAX_DEPTH, MAX_SAFE_INTEGER

from .templates import Expression, ExpressionError, split, without_strings

SCOPE = ("input", "steps", "run", "principal", "item", "index")
"""Names that an expression may use; `item` and `index` only inside a step with `forEach`."""
MAX_COMPREHENSIONS = 3
"""Macros (`all`, `exists`, `exists_one`, `map`, `filter`) in one expression: each multiplies the cost."""
MAX_SCOPE_DEPTH = MAX_DEPTH + 8
"""A JSON document, and the names that lead to it."""
MAX_SCOPE_NODES = 200_000
"""Values in all that an expression names."""
MAX_RESULT_CHARS = 1_000_000
COMPILED_EXPRESSIONS = 1_024

_MACRO = re.compile(r"\.\s*(all|exists|exists_one|map|filter|transformList|transformMap)\s*\(")
_SELECTION = re.compile(r"(?:input|steps|run|principal|item|index)(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_WORD = re.compile(r"[a-z]+")
_ABSENT = object()


def evaluate(value: Any, scope: Mapping[str, Any]) -> Any:
    """`value` with every `${…}` in its texts replaced; lists and mappings are walked.

    A text that is exactly one expression becomes that expression's value; otherwise values are put into the text
    (texts as they are, others as JSON). A mapping's entry that is exactly a reference to an absent optional field
    (`since: "${input.since}"` without `since` in the input) is left out. Raises ExpressionError.
    """
    result = _evaluate(value, scope)
    if result is _ABSENT:
        raise ExpressionError(f"{value} refers to something that is not there")
    return result


def _evaluate(value: Any, scope: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        return _text(value, scope)
    if isinstance(value, Mapping):
        walked = ((key, _evaluate(child, scope)) for key, child in value.items())
        return {key: child for key, child in walked if child is not _ABSENT}
    if isinstance(value, list | tuple):
        return [evaluate(child, scope) for child in value]
    return value


def _text(text: str, scope: Mapping[str, Any]) -> Any:
    parts = split(text)
    if len(parts) == 1:
        only = parts[0]
        return _run(only.source, scope) if isinstance(only, Expression) else only
    rendered = "".join(
        part if isinstance(part, str) else _rendered(_run(part.source, scope), part.source) for part in parts
    )
    if len(rendered) > MAX_RESULT_CHARS:
        raise ExpressionError(f"a text may grow to {MAX_RESULT_CHARS} characters at most")
    return rendered


def _rendered(value: Any, source: str) -> str:
    if value is _ABSENT:
        raise ExpressionError(f"${{{source}}} refers to something that is not there")
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def refuse_costly(source: str) -> None:
    """Raises ExpressionError for an expression whose cost is not bounded tightly enough."""
    if len(_MACRO.findall(without_strings(source))) > MAX_COMPREHENSIONS:
        raise ExpressionError(f"an expression may loop (all, exists, map, filter) {MAX_COMPREHENSIONS} times at most")


def _run(source: str, scope: Mapping[str, Any]) -> Any:
    if _SELECTION.fullmatch(source):
        return _select(source, scope)
    program = _program(source)
    words = set(_WORD.findall(source))
    data = {name: scope.get(name) if name in words else None for name in SCOPE}
    _refuse_unbounded(data)
    try:
        answer = program.eval(data=data)
        kind = answer.type()
        if kind == cel.Type.ERROR:
            raise ExpressionError(f"${{{source}}} failed: {first_line(str(answer.plain_value()))}")
        return _json_value(answer.plain_value(), source)
    except (RuntimeError, TypeError, OverflowError) as error:
        raise ExpressionError(f"${{{source}}} failed: {first_line(str(error))}") from error


def selection(source: str) -> list[str] | None:
    """The parts of a plain chain of fields (`steps.draft.output`); None for any other expression."""
    return source.split(".") if _SELECTION.fullmatch(source) else None


def _refuse_unbounded(data: Mapping[str, Any]) -> None:
    """CEL's converter recurses in native code, where too deep a value would end the process."""
    nodes = 0
    pending: list[tuple[Any, int]] = [(data, 0)]
    while pending:
        value, depth = pending.pop()
        nodes += 1
        if depth > MAX_SCOPE_DEPTH or nodes > MAX_SCOPE_NODES:
            raise ExpressionError(
                f"an expression works on at most {MAX_SCOPE_NODES} values, nested {MAX_SCOPE_DEPTH} deep"
            )
        if isinstance(value, Mapping):
            pending.extend((child, depth + 1) for child in value.values())
        elif isinstance(value, list | tuple):
            pending.extend((child, depth + 1) for child in value)


def _select(source: str, scope: Mapping[str, Any]) -> Any:
    """A plain chain of fields needs no CEL, and its absent end is told apart from a failure."""
    value: Any = scope
    for part in source.split("."):
        if value is None:
            return _ABSENT  # a step that was skipped has no output
        if not isinstance(value, Mapping):
            raise ExpressionError(f"${{{source}}} failed: nothing has a field {part} there")
        if part not in value:
            return _ABSENT
        value = value[part]
    return value


@functools.lru_cache(maxsize=COMPILED_EXPRESSIONS)
def _program(source: str) -> cel.Expression:
    refuse_costly(source)
    try:
        return _environment().compile(source)
    except RuntimeError as error:
        raise ExpressionError(f"${{{source}}} is not valid: {first_line(str(error))}") from error


@functools.cache
def _environment() -> cel.Env:
    return cel.NewEnv(variables=dict.fromkeys(SCOPE, cel.Type.DYN))


def _json_value(value: Any, source: str) -> Any:
    """The value if JSON can carry it; CEL also has bytes, times and types, which have no place in a run."""
    if value is None or isinstance(value, bool | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, int) and abs(value) <= MAX_SAFE_INTEGER:
        return value
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _json_value(child, source) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(child, source) for child in value]
    raise ExpressionError(f"${{{source}}} gives a value that JSON cannot carry")


def first_line(message: str) -> str:
    """CEL's message without its picture of the source and its status codes."""
    line = message.splitlines()[0] if message else "unknown"
    line = re.sub(r"^[A-Z_]+: (ERROR: )?", "", line)
    line = re.sub(r"^<input>:\d+:(\d+): ", "", line)
    line = re.sub(r" \[[A-Z_]+\]$| \(in container ''\)", "", line)
    line = re.sub(r"undefined field ('\w+') not found in struct '[\w.]+'", r"there is no field \1", line)
    return line[:200]
