"""Many docker archives as one stream, each layer once.

Images share most of their layers, and an importer reads an archive to its end: twenty images one by one are four times
the bytes of what is in them.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from .errors import ClusterError

MANIFEST = "manifest.json"


def references(archive: Path) -> list[str]:
    """What a docker archive calls its images (`RepoTags` of its manifest.json).

    Raises:
        ClusterError: it is none.
    """
    try:
        with tarfile.open(archive, "r:") as content:
            return [reference for image in _images(content) for reference in image["RepoTags"] or []]
    except (tarfile.TarError, KeyError, ValueError) as error:
        raise _no_archive(archive, error) from error


def write_merged(archives: Sequence[Path], sink: IO[bytes]) -> None:
    """Writes one docker archive with the images of all; layers are files named by their digest.

    Raises:
        ClusterError: one of them is no docker archive.
        BrokenPipeError: whoever reads `sink` has stopped.
    """
    images: list[dict[str, Any]] = []
    written: set[str] = set()
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as merged:
        for archive in archives:
            try:
                with tarfile.open(archive, "r:") as content:
                    images += _copy(content, merged, written)
            except (tarfile.TarError, KeyError, ValueError) as error:
                raise _no_archive(archive, error) from error
        manifest = json.dumps(images).encode()
        entry = tarfile.TarInfo(MANIFEST)
        entry.size = len(manifest)
        merged.addfile(entry, io.BytesIO(manifest))


def _copy(content: tarfile.TarFile, merged: tarfile.TarFile, written: set[str]) -> list[dict[str, Any]]:
    images = _images(content)
    for image in images:
        for name in (image["Config"], *image["Layers"]):
            if name in written:
                continue
            member = content.getmember(name)
            if not member.isreg():
                raise KeyError(f"{name} is no file")
            merged.addfile(member, content.extractfile(member))
            written.add(name)
    return images


def _images(content: tarfile.TarFile) -> list[dict[str, Any]]:
    stream = content.extractfile(MANIFEST)
    return list(json.load(stream)) if stream else []


def _no_archive(archive: Path, error: Exception) -> ClusterError:
    return ClusterError(f"{archive} is no docker archive ({error}); build it again: `make images`")
