"""Secrets as files that only their owner can read, written once and whole."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

# Bytes of randomness in a client secret.
SECRET_BYTES = 32
FILE_MODE = 0o600
FOLDER_MODE = 0o700


def ensure_folder(folder: Path) -> None:
    """Makes the folder for its owner alone."""
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)


def ensure_secret(path: Path) -> str:
    """The secret in the file, made first if it is absent."""
    if not path.exists():
        write_new(path, f"{secrets.token_urlsafe(SECRET_BYTES)}\n".encode())
    return path.read_text(encoding="ascii").strip()


def write_new(path: Path, content: bytes) -> None:
    """Writes the file whole or not at all; one that is there already wins."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
