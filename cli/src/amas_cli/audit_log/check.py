"""Checks a whole log from what is served of it: signatures, every entry, every tile, the root, and its own past.

It must never raise for what a log says: whatever is wrong becomes a finding. SourceError if the log cannot be read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from amas_cli.audit_trail.cosignature import WitnessKey, cosigners
from amas_cli.audit_trail.keyring import KeyRing, Opened
from amas_cli.audit_trail.merkle import HASH_SIZE
from amas_cli.audit_trail.note import Checkpoint, NoteRefusedError

from .hashing import edge_root, leaf_hashes, tree_root
from .layout import CHECKPOINT, WIDTH, bundle_path, rows, tile_path, widths
from .report import LogReport, Part
from .sequences import Sequences
from .sources import LogSource, read_ahead

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class LogCheck:
    """What is asked of a log.

    `last_seen` is the checkpoint that was verified before; `tree_only` leaves entries out.
    """

    keys: KeyRing
    witnesses: tuple[WitnessKey, ...] = ()
    quorum: int = 0
    last_seen: Opened | None = None
    tree_only: bool = False


def check_log(source: LogSource, asked: LogCheck, progress: Progress = lambda _done, _all: None) -> LogReport:
    """The outcome for the log's newest checkpoint."""
    begun = time.monotonic()
    report = LogReport()
    checkpoint = _checkpoint(source, asked, report)
    if checkpoint is not None:
        _Rebuilding(source, asked, checkpoint, report).run(progress)
    report.seconds = time.monotonic() - begun
    return report


def _checkpoint(source: LogSource, asked: LogCheck, report: LogReport) -> Checkpoint | None:
    raw = source.read(CHECKPOINT)
    if raw is None:
        report.find(Part.CHECKPOINT, "there is no checkpoint", CHECKPOINT)
        return None
    try:
        note = raw.decode()
        opened = asked.keys.open(note)
        witnessed = cosigners(note, asked.witnesses)
    except (NoteRefusedError, UnicodeDecodeError) as error:
        report.find(Part.CHECKPOINT, str(error), CHECKPOINT)
        return None
    checkpoint = opened.checkpoint
    report.checkpoint, report.origin, report.size = note, checkpoint.origin, checkpoint.size
    report.root = checkpoint.root.hex()
    report.signed_by = tuple(key.key_id.hex() for key in opened.signed_by)
    report.witnesses = tuple(witness.name for witness in witnessed)
    if checkpoint.origin != asked.keys.origin:
        report.find(
            Part.CHECKPOINT, f"the checkpoint is of log {checkpoint.origin!r}, the key of {asked.keys.origin!r}"
        )
    if len(witnessed) < asked.quorum:
        report.find(
            Part.COSIGNATURES, f"{len(witnessed)} witnesses cosigned where {asked.quorum} must have", CHECKPOINT
        )
    seen = asked.last_seen.checkpoint if asked.last_seen else None
    if seen is not None and checkpoint.size < seen.size:
        report.find(
            Part.CONSISTENCY,
            f"the log shows {checkpoint.size} entries where {seen.size} were seen before: it was rolled back, "
            "or somebody is shown another log",
        )
    return checkpoint


class _Rebuilding:
    """One pass over a log, which builds the tree again and holds everything that is served against it."""

    def __init__(self, source: LogSource, asked: LogCheck, checkpoint: Checkpoint, report: LogReport) -> None:
        self._source = source
        self._asked = asked
        self._checkpoint = checkpoint
        self._report = report
        self._edge: list[list[bytes]] = [[] for _ in rows(checkpoint.size)]
        self._filled = [0] * len(self._edge)
        self._sequences = Sequences(report)
        self._seen = asked.last_seen.checkpoint if asked.last_seen else None

    def run(self, progress: Progress) -> None:
        """Look at every part; find what is wrong with it."""
        size = self._checkpoint.size
        if self._seen is not None and self._seen.size == 0:
            self._hold_against_seen()
        for position, width, bundle, tile in self._parts():
            first = position * WIDTH
            hashes = self._hashes(position, width, bundle, tile)
            if hashes is None:
                return
            if self._seen is not None and first < self._seen.size <= first + width:
                self._edge[0] = hashes[: self._seen.size - first]
                self._hold_against_seen(within=len(self._edge[0]) == WIDTH)
            self._grow(0, hashes)
            progress(first + width, size)
        for level in range(1, len(self._edge)):
            if self._edge[level]:
                self._compare(level, self._filled[level], self._edge[level])
        if edge_root(self._edge) != self._checkpoint.root:
            self._report.find(Part.ROOT, f"what is served does not lead to the signed root of {size} entries")
        if not self._asked.tree_only:
            self._report.entries, self._report.runs = size, self._sequences.runs

    def _parts(self) -> Iterator[tuple[int, int, bytes | None, bytes | None]]:
        """Position, width, bundle and lowest tile; the bundle is None where entries are not looked at."""
        size, tree_only = self._checkpoint.size, self._asked.tree_only

        def paths() -> Iterator[str]:
            for position, width in widths(size):
                if not tree_only:
                    yield bundle_path(position, width)
                yield tile_path(0, position, width)

        read = read_ahead(self._source, paths())
        for position, width in widths(size):
            bundle = None if tree_only else self._whole(next(read), bundle_path(position, WIDTH), width)
            yield position, width, bundle, self._whole(next(read), tile_path(0, position, WIDTH), width)

    def _whole(self, found: bytes | None, full_path: str, width: int) -> bytes | None:
        """A part that is not full any more may have been removed once it was: then the full one stands in."""
        return self._source.read(full_path) if found is None and width < WIDTH else found

    def _hashes(self, position: int, width: int, bundle: bytes | None, tile: bytes | None) -> list[bytes] | None:
        """Hashes of the entries; those of the tile where the entries cannot be read. None if there are neither."""
        known = self._tile_hashes(0, position, width, tile)
        if self._asked.tree_only:
            return known
        entries = self._entries(position, width, bundle)
        if entries is None:
            return known
        hashes = leaf_hashes(entries)
        if known is not None and hashes != known:
            at = next(at for at in range(width) if hashes[at] != known[at])
            path = bundle_path(position, width)
            self._report.find(
                Part.ENTRIES, f"entry {position * WIDTH + at} is not the one whose hash stands in the tile", path
            )
        else:
            self._sequences.take(position * WIDTH, entries)
        return hashes

    def _entries(self, position: int, width: int, bundle: bytes | None) -> list[bytes] | None:
        path = bundle_path(position, width)
        if bundle is None:
            self._report.find(Part.ENTRIES, "the bundle is missing", path)
            return None
        entries: list[bytes] = []
        at, end = 0, len(bundle)
        while at < end:
            start = at + 2
            at = start + (bundle[at] << 8) + bundle[start - 1] if start <= end else end + 1
            if at > end:
                self._report.find(Part.ENTRIES, "the bundle is cut in the middle of an entry", path)
                return None
            entries.append(bundle[start:at])
        if len(entries) not in (width, WIDTH):
            self._report.find(Part.ENTRIES, f"the bundle has {len(entries)} entries where there must be {width}", path)
            return None
        return entries[:width]

    def _tile_hashes(self, level: int, position: int, width: int, tile: bytes | None) -> list[bytes] | None:
        path = tile_path(level, position, width)
        if tile is None:
            self._report.find(Part.TILES, "the tile is missing", path)
            return None
        if len(tile) not in (width * HASH_SIZE, WIDTH * HASH_SIZE):
            self._report.find(Part.TILES, f"the tile has {len(tile)} bytes where {width} hashes must be", path)
            return None
        return [tile[at : at + HASH_SIZE] for at in range(0, width * HASH_SIZE, HASH_SIZE)]

    def _grow(self, level: int, hashes: Sequence[bytes]) -> None:
        """Put hashes, which fill a tile at most, on a level, and a tile's root on the one above."""
        if level == 0:
            self._edge[0] = list(hashes)
        else:
            self._edge[level].extend(hashes)
        if len(self._edge[level]) == WIDTH:
            full, self._edge[level] = self._edge[level], []
            if level:
                self._compare(level, self._filled[level], full)
            self._filled[level] += 1
            self._grow(level + 1, [tree_root(full)])

    def _compare(self, level: int, position: int, hashes: Sequence[bytes]) -> None:
        """Hold a tile above the lowest against the hashes that it must have."""
        width = len(hashes)
        tile = self._whole(
            self._source.read(tile_path(level, position, width)), tile_path(level, position, WIDTH), width
        )
        known = self._tile_hashes(level, position, width, tile)
        if known is not None and known != list(hashes):
            self._report.find(
                Part.TILES, "the tile has other hashes than the entries lead to", tile_path(level, position, width)
            )

    def _hold_against_seen(self, *, within: bool = False) -> None:
        """Compare the tree as it was at the size seen before. `within`: its last tile is full and not put up yet."""
        seen = self._seen
        if seen is None:
            return
        edge = [list(row) for row in self._edge]
        level = 0
        while within and len(edge[level]) == WIDTH:
            root, edge[level] = tree_root(edge[level]), []
            level += 1
            edge[level].append(root)
        if edge_root(edge) == seen.root:
            self._report.consistent_with = seen.size
        else:
            self._report.find(
                Part.CONSISTENCY,
                f"the first {seen.size} entries are not those that were seen before: the past was changed, "
                "or somebody is shown another log",
            )
