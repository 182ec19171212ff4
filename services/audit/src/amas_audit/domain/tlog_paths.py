"""Names and bytes of what a tiled log serves (C2SP tlog-tiles): tiles, entry bundles, and how they are told apart.

A resource has exactly one name. It must never answer for a name that is written in another way, or caches would hold
several copies that a reader cannot tell to be one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from amas_audit.domain.tiles import TILE_HEIGHT, TILE_WIDTH

# Fixed by C2SP tlog-tiles.
MAX_LEVEL = 63
# An entry's length stands before it in two bytes.
MAX_ENTRY_BYTES = (1 << 16) - 1
# Leaves are numbered in 63 bits, as Postgres does.
INDEX_BITS = 63

_NUMBER = re.compile(r"(?P<index>(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?")
_LEVEL = re.compile(r"0|[1-9][0-9]?")


@dataclass(frozen=True, slots=True)
class Resource:
    """A tile, or with level None a bundle of entries; `width` is how many of its 256 places are asked for."""

    level: int | None
    position: int
    width: int = TILE_WIDTH

    @property
    def start(self) -> int:
        """Index of the first entry that it spans."""
        return self.position << (TILE_HEIGHT * ((self.level or 0) + 1))

    def path(self) -> str:
        """Its name below `tile/`."""
        level = "entries" if self.level is None else str(self.level)
        part = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"{level}/{_index_text(self.position)}{part}"


def parse_resource(path: str) -> Resource | None:
    """The resource of a name below `tile/`, or None if there can be none of that name."""
    kind, _, rest = path.partition("/")
    level = None if kind == "entries" else int(kind) if _LEVEL.fullmatch(kind) else -1
    match = _NUMBER.fullmatch(rest)
    if match is None or (level is not None and not 0 <= level <= MAX_LEVEL):
        return None
    digits = match["index"].replace("x", "").replace("/", "")
    width = int(match["width"]) if match["width"] else TILE_WIDTH
    # Bounded before it is a number: text of any length may stand there.
    if len(digits) > len(str(1 << INDEX_BITS)) + 2 or (match["width"] and width >= TILE_WIDTH):
        return None
    found = Resource(level, int(digits), width)
    if found.path() != path or (found.position + 1) << (TILE_HEIGHT * ((level or 0) + 1)) > 1 << INDEX_BITS:
        return None
    return found


def bundle(leaves: Iterable[bytes]) -> bytes:
    """Entries as a bundle has them, each after its length. ValueError for one that no bundle can hold."""
    parts: list[bytes] = []
    for leaf in leaves:
        if len(leaf) > MAX_ENTRY_BYTES:
            raise ValueError(f"an entry of {len(leaf)} bytes is longer than a bundle can hold")
        parts += (len(leaf).to_bytes(2, "big"), leaf)
    return b"".join(parts)


def _index_text(position: int) -> str:
    digits = str(position)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
