"""Metadata of calls to and from frames: text is UTF-8, keys that end in `-bin` carry bytes (gRPC's rule)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .frames import MAX_METADATA, MAX_METADATA_BYTES, metadata_size

__all__ = ["Pairs", "from_wire", "to_wire"]

Pairs = tuple[tuple[str, str | bytes], ...]


def to_wire(metadata: Iterable[tuple[str, str | bytes]] | None) -> list[tuple[str, bytes]]:
    """As frames carry it. Raises ValueError for more than a frame may carry."""
    if not metadata:
        return []
    pairs = [(key, value.encode() if isinstance(value, str) else value) for key, value in metadata]
    if len(pairs) > MAX_METADATA or metadata_size(pairs) > MAX_METADATA_BYTES:
        raise ValueError(f"metadata of more than {MAX_METADATA} entries or {MAX_METADATA_BYTES} bytes")
    return pairs


def from_wire(metadata: Sequence[tuple[str, bytes]]) -> Pairs:
    """As gRPC's calls and contexts show it; a text that is not UTF-8 shows replacement characters."""
    return tuple((key, value if key.endswith("-bin") else value.decode("utf-8", "replace")) for key, value in metadata)
