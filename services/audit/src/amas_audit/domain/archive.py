"""What an archive of the log holds: a static C2SP tlog of its closed partitions, and a manifest for each of them.

An archive of `size` entries is the log as it was at that size, so that any client of such logs can read and verify it.
Pure: files are read through a function, and nothing is written here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from amas_audit.domain.errors import ArchiveDamagedError
from amas_audit.domain.merkle import HASH_SIZE, leaf_hash, nodes_of, perfect_root, range_root
from amas_audit.domain.tiles import TILE_HEIGHT, TILE_WIDTH, TileHashes, TileId, node_in, tiles_of
from amas_audit.domain.tlog_paths import Resource

CHECKPOINT = "checkpoint"
FORMAT = "amas-audit-archive"
FORMAT_VERSION = 1

Read = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was archived of one partition. Both ends are whole blocks of 256; `files` has the SHA-256 of each."""

    origin: str
    first: int
    past: int
    checkpoint: str
    files: Mapping[str, str]

    @staticmethod
    def path(first: int) -> str:
        """Where the manifest of the partition that begins at `first` is."""
        return f"archive/{first:015}.json"

    def encode(self) -> bytes:
        """JSON, always the same for the same content."""
        members = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "origin": self.origin,
            "first": self.first,
            "past": self.past,
            "checkpoint": self.checkpoint,
            "files": dict(self.files),
        }
        return json.dumps(members, indent=1, sort_keys=True).encode() + b"\n"

    @classmethod
    def decode(cls, content: bytes, path: str) -> Manifest:
        """The manifest. ArchiveDamagedError that names `path` if it is none."""
        try:
            members: dict[str, Any] = json.loads(content)
            if (members["format"], members["version"]) != (FORMAT, FORMAT_VERSION):
                raise ValueError("of another format")
            files = {str(name): str(digest) for name, digest in members["files"].items()}
            first, past = int(members["first"]), int(members["past"])
            manifest = cls(str(members["origin"]), first, past, str(members["checkpoint"]), files)
            if manifest.encode() != content:
                raise ValueError("not as we write it")
            return manifest
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArchiveDamagedError(f"{path} is no manifest of an archive") from error


def digest(content: bytes) -> str:
    """The digest that manifests have of a file."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def resources(first: int, past: int) -> Iterator[Resource]:
    """What a log of `past` entries has that one of `first` had not: bundles, full tiles, and those at its edge."""
    for position in range(first // TILE_WIDTH, past // TILE_WIDTH):
        yield Resource(None, position)
    level, nodes, known = 0, past, first
    while nodes:
        for position in range(known // TILE_WIDTH, -(-nodes // TILE_WIDTH)):
            yield Resource(level, position, min(TILE_WIDTH, nodes - position * TILE_WIDTH))
        level, nodes, known = level + 1, nodes >> TILE_HEIGHT, known >> TILE_HEIGHT


def leaves_in(bundle: bytes) -> list[bytes]:
    """The entries of a bundle (C2SP tlog-tiles). ValueError if it is cut or has something behind them."""
    leaves: list[bytes] = []
    at = 0
    while at < len(bundle):
        length = int.from_bytes(bundle[at : at + 2], "big")
        leaf = bundle[at + 2 : at + 2 + length]
        if at + 2 > len(bundle) or len(leaf) != length:
            raise ValueError("an entry is cut")
        leaves.append(leaf)
        at += 2 + length
    return leaves


def check_tree(read: Read, first: int, past: int, root: bytes) -> None:
    """See that the entries [first, past) and their tiles lead to the root of `past` entries.

    ArchiveDamagedError that names the first file that does not fit. What `read` raises goes through.
    """
    for resource in resources(first, past):
        path = f"tile/{resource.path()}"
        content = read(path)
        if resource.level is None:
            _check_bundle(path, content, _hashes(read, 0, resource.position, past))
        elif len(content) != resource.width * HASH_SIZE:
            raise ArchiveDamagedError(f"{path} has {len(content)} bytes, not {resource.width * HASH_SIZE}")
        elif resource.width == TILE_WIDTH:
            above = _hashes(read, resource.level + 1, resource.position // TILE_WIDTH, past)
            if perfect_root(TileHashes.split(content)) != above[resource.position % TILE_WIDTH]:
                raise ArchiveDamagedError(f"{path} does not fit the tile above it")
    tiles = {tile: _hashes(read, *tile, past) for tile in tiles_of(nodes_of([(0, past)]))}
    if range_root(0, past, lambda level, at: node_in(tiles, level, at)) != root:
        raise ArchiveDamagedError(f"the tiles of {past} entries do not lead to the signed root")


def tile_width(tile: TileId, size: int) -> int:
    """How many hashes a tile has in a log of `size` entries."""
    level, position = tile
    return min(TILE_WIDTH, (size >> (TILE_HEIGHT * level)) - position * TILE_WIDTH)


def _hashes(read: Read, level: int, position: int, size: int) -> TileHashes:
    width = tile_width((level, position), size)
    path = f"tile/{Resource(level, position, width).path()}"
    content = read(path)
    if len(content) != width * HASH_SIZE:
        raise ArchiveDamagedError(f"{path} has {len(content)} bytes, not {width * HASH_SIZE}")
    return TileHashes.split(content)


def _check_bundle(path: str, content: bytes, hashes: TileHashes) -> None:
    try:
        fits = tuple(leaf_hash(leaf) for leaf in leaves_in(content)) == hashes
    except ValueError as error:
        raise ArchiveDamagedError(f"{path}: {error}") from error
    if not fits:
        raise ArchiveDamagedError(f"{path} does not fit its tile")
