"""Reads fields of a request that is translated, and says precisely which one is not as it must be.

A field that a translation does not know is refused by its name: leaving it out in silence would change what was asked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from amas_gateway.domain.errors import invalid

# Most entries of any list of a request: messages, parts, tools.
MAX_ENTRIES = 4096


def only(found: Mapping[str, Any], known: Collection[str], path: str = "") -> None:
    """Raises INVALID_ARGUMENT for the first field with a value that is not known."""
    for name, value in found.items():
        if value is not None and name not in known:
            raise invalid(f"{path}{name}", "is not supported here")


def fields(found: object, path: str) -> dict[str, Any]:
    """The value as an object."""
    if not isinstance(found, dict):
        raise invalid(path, "must be an object")
    return found


def entries(found: object, path: str) -> list[Any]:
    """The value as a bounded list; none is an empty one."""
    if found is None:
        return []
    if not isinstance(found, list) or len(found) > MAX_ENTRIES:
        raise invalid(path, f"must be a list of at most {MAX_ENTRIES} entries")
    return found


def text(found: object, path: str) -> str:
    """The value as text."""
    if not isinstance(found, str):
        raise invalid(path, "must be a string")
    return found


def copied(found: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The fields that only change their name, as they came; the provider judges their values."""
    return {there: found[here] for here, there in names.items() if found.get(here) is not None}
