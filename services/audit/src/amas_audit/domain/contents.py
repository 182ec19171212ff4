"""What of an event is somebody's data: its bytes, and the commitment to them that stands in the leaf.

The construction of a commitment is for ever: docs/audit-events.md describes it for strangers, and a verifier of theirs
must come to the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

# Separates these hashes from all others of the project.
DOMAIN = b"amas.audit.content.v1"
# Bytes of a salt.
SALT_SIZE = 32
# Bytes of all contents of an event.
MAX_EVENT_CONTENT_BYTES = 8 << 20

DEFAULT_RETENTION = "standard"
DEFAULT_MEDIA_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Content:
    """A piece of an event as its sender gives it, or as a reader is given it."""

    name: str
    # Whose data it is; empty: nobody's in particular.
    subject: str
    retention: str
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """What the leaf says about a content."""

    name: str
    commitment: bytes
    # Opaque id of the key that its bytes are encrypted under, 32 hexadecimal digits. It says nothing about the subject.
    key: str
    media_type: str
    retention: str
    # Bytes of the data.
    size: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A content as a reader gets it: its data and salt, or the event that erased it, or neither if it is lost."""

    sealed: Sealed
    data: bytes | None = None
    salt: bytes = b""
    erased_by: str = ""


def commit(salt: bytes, media_type: str, data: bytes) -> bytes:
    """SHA-256 over the domain, the salt, the media type and the data, each after its length (8 bytes, big-endian)."""
    hashed = hashlib.sha256()
    for part in (DOMAIN, salt, media_type.encode(), data):
        hashed.update(len(part).to_bytes(8, "big"))
        hashed.update(part)
    return hashed.digest()


def framed(*parts: bytes) -> bytes:
    """The parts, each after its length (8 bytes, big-endian), so that no two lists have one text."""
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def size_of(contents: Iterable[Content]) -> int:
    """Bytes of the data of all."""
    return sum(len(content.data) for content in contents)
