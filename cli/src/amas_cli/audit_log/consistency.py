"""Shows that one checkpoint continues another, out of the tiles of the log (RFC 9162, section 2.1.4).

Written after the definition of SUBPROOF: both roots are computed from the same hashes, so that nothing can fit one of
them alone.
"""

from __future__ import annotations

from amas_cli.audit_trail.keyring import KeyRing
from amas_cli.audit_trail.merkle import HASH_SIZE
from amas_cli.audit_trail.note import NoteRefusedError

from .hashing import EMPTY_ROOT, tree_root
from .layout import WIDTH, tile_path
from .report import LogReport, Part
from .sources import LogSource

TILE_HEIGHT = 8


class _MissingTileError(Exception):
    pass


def check_consistency(source: LogSource | None, keys: KeyRing, older_note: str, newer_note: str) -> LogReport:
    """Whether the tree of one checkpoint is the beginning of the other's. Two of one size need no `source`.

    ValueError if they are of different sizes and there is no source; SourceError.
    """
    report = LogReport()
    try:
        older, newer = sorted(
            (keys.open(note).checkpoint for note in (older_note, newer_note)), key=lambda head: head.size
        )
    except NoteRefusedError as error:
        report.find(Part.CHECKPOINT, str(error))
        return report
    report.origin, report.size, report.root = newer.origin, newer.size, newer.root.hex()
    if older.origin != newer.origin:
        report.find(Part.CHECKPOINT, f"the checkpoints are of two logs, {older.origin!r} and {newer.origin!r}")
        return report
    if older.size == newer.size:
        if older.root != newer.root:
            report.find(
                Part.CONSISTENCY,
                f"two different trees of {older.size} entries were signed: the log is forked, and both checkpoints "
                "together prove it",
            )
    elif older.size == 0:
        if older.root != EMPTY_ROOT:
            report.find(Part.CONSISTENCY, "the older checkpoint is of no entries, but its root is not that of none")
    elif source is None:
        raise ValueError("checkpoints of different sizes are compared by the log's tiles: say where it is")
    else:
        _compare(_Tiles(source, newer.size), report, (older.size, older.root), (newer.size, newer.root))
    if report.verified:
        report.consistent_with = older.size
    return report


def _compare(tiles: _Tiles, report: LogReport, older: tuple[int, bytes], newer: tuple[int, bytes]) -> None:
    try:
        old_root, new_root = _roots(tiles, older[0], 0, newer[0], older[1])
    except _MissingTileError as error:
        report.find(Part.TILES, "the tile is missing or cut", str(error))
        return
    if new_root != newer[1]:
        report.find(
            Part.CONSISTENCY,
            f"the log's tiles do not lead from the tree of {older[0]} to that of {newer[0]}: the past was changed, "
            "or the checkpoints are of a forked log",
        )
    elif old_root != older[1]:
        report.find(
            Part.CONSISTENCY,
            f"the tree of {older[0]} is not the beginning of the tree of {newer[0]}: the log is forked",
        )


def _roots(tiles: _Tiles, count: int, start: int, end: int, whole: bytes | None) -> tuple[bytes, bytes]:
    """Roots of the first `count` leaves of [start, end), and of all of it.

    `whole` is the older root while this range begins where the tree does: that it stands for these leaves is what the
    newer root then shows.
    """
    size = end - start
    if count == size:
        root = whole if whole is not None else tiles.root(start, end)
        return root, root
    split = 1 << ((size - 1).bit_length() - 1)
    if count <= split:
        old, new = _roots(tiles, count, start, start + split, whole)
        return old, tree_root((new, tiles.root(start + split, end)))
    old, new = _roots(tiles, count - split, start + split, end, None)
    left = tiles.root(start, start + split)
    return tree_root((left, old)), tree_root((left, new))


class _Tiles:
    """Roots of ranges of a tree of `size` leaves, from its tiles, each read once."""

    def __init__(self, source: LogSource, size: int) -> None:
        self._source = source
        self._size = size
        self._read: dict[tuple[int, int], bytes] = {}

    def root(self, start: int, end: int) -> bytes:
        """MTH(D[start:end]) for a range as RFC 9162 splits them."""
        size = end - start
        if size & (size - 1) == 0 and start % size == 0:
            return self._perfect(size.bit_length() - 1, start // size)
        split = 1 << ((size - 1).bit_length() - 1)
        return tree_root((self.root(start, start + split), self.root(start + split, end)))

    def _perfect(self, height: int, position: int) -> bytes:
        level, inner = divmod(height, TILE_HEIGHT)
        first = position << inner
        tile = self._tile(level, first // WIDTH)
        at = (first % WIDTH) * HASH_SIZE
        hashes = [tile[at + HASH_SIZE * step : at + HASH_SIZE * (step + 1)] for step in range(1 << inner)]
        return tree_root(hashes)

    def _tile(self, level: int, position: int) -> bytes:
        key = (level, position)
        if key not in self._read:
            width = min(WIDTH, (self._size >> (TILE_HEIGHT * level)) - position * WIDTH)
            path = tile_path(level, position, width)
            tile = self._source.read(path)
            if tile is None and width < WIDTH:
                tile = self._source.read(tile_path(level, position, WIDTH))
            if tile is None or len(tile) < width * HASH_SIZE:
                raise _MissingTileError(path)
            self._read[key] = tile
        return self._read[key]
