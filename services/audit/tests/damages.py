"""What happens to a file of an archive: it is gone, cut short, or one bit of it is another."""

from __future__ import annotations

from pathlib import Path


def cut(path: Path) -> None:
    """The last byte is missing."""
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    """One bit in the middle is another."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {"missing": Path.unlink, "cut": cut, "flipped": flip}
