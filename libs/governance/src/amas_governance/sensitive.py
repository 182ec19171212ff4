"""Which arguments of a tool call say where its effect goes, and whether each of them stems from trusted input.

What a ToolServer declares is held here against what a model proposed. Silence is the stricter reading: without a
declaration every argument is sensitive, and one that the tool's own schema does not know always is, its name too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .provenance import TrustedValues

MAX_PATHS = 32
"""Paths that are told apart; beyond it all are told as one."""
MAX_SCHEMA_NODES = 20_000
"""Parts of a tool's schema that are searched for names; what lies beyond is not known, and so sensitive."""

_Path = tuple[str | int, ...]


@dataclass(frozen=True)
class SensitiveArgument:
    """A path such as `items[].account` (`*` for a name that the schema does not know); are all values there trusted?"""

    path: str
    trusted: bool

    def to_dict(self) -> dict[str, Any]:
        """As policies see it."""
        return {"path": self.path, "trusted": self.trusted}


def judge_arguments(
    arguments: Mapping[str, Any],
    *,
    declared: Sequence[str] | None,
    schema: Mapping[str, Any],
    narrowings: Sequence[Mapping[str, Any]],
    trusted: TrustedValues | None,
) -> list[SensitiveArgument]:
    """The sensitive arguments of one call, by path. `trusted` is None where the whole context is trusted.

    `declared` is None where the ToolServer says nothing; `schema` is the tool's own; `narrowings` are those of every
    role of the chain: what one of them fixes (`const`, `enum`) is the contract's own word.
    """
    known = property_names(schema)
    wanted = None if declared is None else [_keys_of(path) for path in declared]
    found: dict[str, bool] = {}
    for path, value in _leaves(arguments):
        strangers = [key for key in path if isinstance(key, str) and key not in known]
        if wanted is not None and not strangers and not any(_meets(path, keys) for keys in wanted):
            continue
        shown = _shown(path, known)
        good = trusted is None or (
            all(name in trusted for name in strangers)
            and (_says_nothing(value) or value in trusted or any(_fixed(schema, path) for schema in narrowings))
        )
        found[shown] = found.get(shown, True) and good
    if len(found) > MAX_PATHS:
        return [SensitiveArgument("*", all(found.values()))]
    return [SensitiveArgument(path, good) for path, good in sorted(found.items())]


def property_names(schema: Mapping[str, Any]) -> frozenset[str]:
    """All names that a schema gives to properties, wherever in it."""
    names: set[str] = set()
    pending: list[Any] = [schema]
    for _ in range(MAX_SCHEMA_NODES):
        if not pending:
            break
        part = pending.pop()
        if isinstance(part, Mapping):
            properties = part.get("properties")
            if isinstance(properties, Mapping):
                names.update(str(name) for name in properties)
            pending.extend(part.values())
        elif isinstance(part, list):
            pending.extend(part)
    return frozenset(names)


def _leaves(value: Any, path: _Path = ()) -> Iterator[tuple[_Path, Any]]:
    """Scalars and empty containers with their paths; depth is bounded by the parser of the arguments."""
    if isinstance(value, Mapping) and value:
        for key, child in value.items():
            yield from _leaves(child, (*path, str(key)))
    elif isinstance(value, list | tuple) and value:
        for index, child in enumerate(value):
            yield from _leaves(child, (*path, index))
    elif path:
        yield path, value


def _keys_of(declared: str) -> tuple[str, ...]:
    return tuple(declared.replace("[]", "").split("."))


def _meets(path: _Path, keys: tuple[str, ...]) -> bool:
    """Whether one lies below the other; positions in lists do not count."""
    named = tuple(key for key in path if isinstance(key, str))
    shorter = min(len(named), len(keys))
    return named[:shorter] == keys[:shorter]


def _says_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | tuple | Mapping) and not value)


def _fixed(schema: Any, path: _Path) -> bool:
    """Whether the contract's schema leaves no choice but its own words at that place."""
    for key in path:
        if not isinstance(schema, Mapping):
            return False
        if isinstance(key, str):
            properties = schema.get("properties")
            schema = properties.get(key) if isinstance(properties, Mapping) else None
        else:
            schema = None if "prefixItems" in schema else schema.get("items")
    return isinstance(schema, Mapping) and ("const" in schema or "enum" in schema)


def _shown(path: _Path, known: Collection[str]) -> str:
    text = ""
    for key in path:
        if isinstance(key, int):
            text += "[]"
        else:
            name = key if key in known else "*"
            text += f".{name}" if text else name
    return text
