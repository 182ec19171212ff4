"""Where the parts of a tree of a given size are, by C2SP tlog-tiles."""

from __future__ import annotations

from collections.abc import Iterator

WIDTH = 256
CHECKPOINT = "checkpoint"


def tile_path(level: int, position: int, width: int) -> str:
    """Name of a tile of `width` hashes."""
    return f"tile/{level}/{_number(position)}{_part(width)}"


def bundle_path(position: int, width: int) -> str:
    """Name of a bundle of `width` entries."""
    return f"tile/entries/{_number(position)}{_part(width)}"


def rows(size: int) -> Iterator[tuple[int, int]]:
    """Each level that a tree of `size` leaves has tiles of, and how many hashes stand in it."""
    level = 0
    while size:
        yield level, size
        level, size = level + 1, size // WIDTH


def widths(count: int) -> Iterator[tuple[int, int]]:
    """Position and width of each tile or bundle over `count` hashes or entries."""
    for position in range(-(-count // WIDTH)):
        yield position, min(WIDTH, count - position * WIDTH)


def _number(position: int) -> str:
    digits = f"{position:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([*("x" + group for group in groups[:-1]), groups[-1]])


def _part(width: int) -> str:
    return "" if width == WIDTH else f".p/{width}"
