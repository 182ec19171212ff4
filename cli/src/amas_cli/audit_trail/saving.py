"""Keeps a streamed export: the whole document under its name, or nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO


@contextmanager
def new_export(target: Path) -> Iterator[IO[bytes]]:
    """A file to write an export to, which takes the name `target` when the block has ended well. OSError as it comes.

    A stream that breaks off leaves under that name what was there before.
    """
    with NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
        written = Path(file.name)
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            written.replace(target)
        except BaseException:
            written.unlink(missing_ok=True)
            raise
