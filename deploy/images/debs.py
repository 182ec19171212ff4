"""Debian packages by name, from the machine's own apt, which checks their signatures and hashes.

It must never install anything here: packages are fetched into a cache and unpacked into a folder, and
their scripts do not run.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_FIELD = re.compile(r"^(Package|Version|SHA256|Architecture): (\S+)$", re.MULTILINE)


class PackageError(Exception):
    """A package cannot be had; the message says what to do."""


@dataclass(frozen=True)
class Package:
    """One version of a package, and the SHA-256 (hex) of its file."""

    name: str
    version: str
    architecture: str
    sha256: str

    @property
    def file_name(self) -> str:
        """As `apt-get download` calls it."""
        return f"{self.name}_{self.version.replace(':', '%3a')}_{self.architecture}.deb"


def candidates(names: Iterable[str]) -> list[Package]:
    """The versions that apt would install now, in the order of `names`.

    Raises:
        PackageError: this is no Debian machine, or a package is unknown.
    """
    wanted = list(names)
    if shutil.which("apt-cache") is None:
        raise PackageError("local bases are made from Debian packages, and this machine has no apt-cache")
    shown = _run(["apt-cache", "show", "--no-all-versions", *wanted])
    found: dict[str, Package] = {}
    for paragraph in shown.split("\n\n"):
        fields = dict(_FIELD.findall(paragraph))
        if len(fields) == 4:
            package = Package(fields["Package"], fields["Version"], fields["Architecture"], fields["SHA256"])
            found.setdefault(package.name, package)
    missing = [name for name in wanted if name not in found]
    if missing:
        raise PackageError(f"apt knows no {', '.join(missing)}: run `apt-get update`, on Debian 12 (bookworm)")
    return [found[name] for name in wanted]


def fetch(packages: Iterable[Package], folder: Path) -> list[Path]:
    """The packages' files in `folder`, fetched where they are not there yet; whole or not at all."""
    wanted = list(packages)
    folder.mkdir(parents=True, exist_ok=True)
    missing = [package for package in wanted if not (folder / package.file_name).exists()]
    if missing:
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            # apt drops to a user of its own where it can; the folder is ours alone, and then it says so on stderr.
            _run(["apt-get", "download", "-q", *(f"{p.name}={p.version}" for p in missing)], cwd=Path(temporary))
            for package in missing:
                os.replace(Path(temporary) / package.file_name, folder / package.file_name)
    return [folder / package.file_name for package in wanted]


def unpack(files: Iterable[Path], root: Path) -> None:
    """Puts what the packages hold into `root`; their scripts do not run."""
    for file in files:
        _run(["dpkg-deb", "--extract", str(file), str(root)])


def _run(command: list[str], cwd: Path | None = None) -> str:
    with contextlib.suppress(FileNotFoundError):
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd)  # noqa: S603 -- fixed programs
        if done.returncode != 0:
            raise PackageError(f"{command[0]} failed: {done.stderr.strip()[-400:]}")
        return done.stdout
    raise PackageError(f"{command[0]} is not installed; local bases need apt, dpkg-deb")
