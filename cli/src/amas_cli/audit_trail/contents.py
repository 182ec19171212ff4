"""Contents of an entry, and whether they are what its leaf commits to (docs/audit-events.md, "Contents").

Must never import the audit service: a mistake there must not be repeated here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import ExportRefusedError
from .note import strict_base64

DOMAIN = b"amas.audit.content.v1"
SALT_SIZE = 32
_COMMITTED = {"commitment": str, "key": str, "mediatype": str, "retention": str, "size": int}


@dataclass(frozen=True)
class GivenContent:
    """A content as an export gives it: data and salt, or the event that erased it, or neither if it is lost."""

    name: str
    data: bytes | None = None
    salt: bytes = b""
    erased_by: str = ""


def given_contents(number: int, items: Sequence[Any]) -> tuple[GivenContent, ...]:
    """The contents on a line. ExportRefusedError for one that is not in the form of the format."""
    return tuple(_given(number, item) for item in items)


def problems_of(leaf: Mapping[str, Any], given: Sequence[GivenContent]) -> list[str]:
    """In words, what does not fit between what a leaf commits to and what is given. Erased contents fit."""
    committed = leaf.get("contents", {})
    if not isinstance(committed, dict) or not all(_is_commitment(one) for one in committed.values()):
        return ["its leaf has contents that are not in the form of a commitment"]
    if sorted(committed) != [one.name for one in given]:
        return ["the contents that are given are not those that its leaf names: one was dropped or added"]
    return [problem for one in given if (problem := _problem(committed[one.name], one))]


def lost(given: Sequence[GivenContent]) -> list[str]:
    """Names of contents that are neither given nor said to be erased."""
    return [one.name for one in given if one.data is None and not one.erased_by]


def commitment(salt: bytes, media_type: str, data: bytes) -> bytes:
    """SHA-256 over the domain, the salt, the media type and the data, each after its length (8 bytes, big-endian)."""
    parts = (DOMAIN, salt, media_type.encode(), data)
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).digest()


def _problem(committed: Mapping[str, Any], given: GivenContent) -> str:
    if given.data is None:
        return ""
    try:
        expected = strict_base64(committed["commitment"])
    except ValueError:
        return f"the commitment to {given.name} is not base64"
    if len(given.data) != committed["size"] or commitment(given.salt, committed["mediatype"], given.data) != expected:
        return f"content {given.name} is not the one that its leaf commits to: it was changed"
    return ""


def _is_commitment(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and list(value) == list(_COMMITTED)
        and all(type(value[name]) is expected for name, expected in _COMMITTED.items())
    )


def _given(number: int, item: Any) -> GivenContent:
    shapes = (["name", "salt", "data"], ["name", "erasedBy"], ["name"])
    if not isinstance(item, dict) or list(item) not in shapes or not all(type(text) is str for text in item.values()):
        raise ExportRefusedError(number, "a content has not the members that the format says")
    if "data" not in item:
        return GivenContent(item["name"], erased_by=item.get("erasedBy", ""))
    try:
        salt, data = strict_base64(item["salt"]), strict_base64(item["data"])
    except ValueError as error:
        raise ExportRefusedError(number, "a content is not in base64") from error
    if len(salt) != SALT_SIZE:
        raise ExportRefusedError(number, f"a salt has not {SALT_SIZE} bytes")
    return GivenContent(item["name"], data, salt)
