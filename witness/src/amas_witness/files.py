"""The files that a witness's operator writes: its key, and the keys of the logs that it sees."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from .notes import LogKey, NoteError


class FileError(Exception):
    """A file that cannot be used; the text says why."""


def make_key(path: Path) -> Ed25519PrivateKey:
    """A new key in a new file that its owner alone can read. FileError if there is one."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise FileError(f"{path} cannot be made: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return key


def read_key(path: Path) -> Ed25519PrivateKey:
    """The witness's key. FileError if there is none, or others may read it."""
    try:
        with path.open("rb") as file:
            # Asked of the open file, so that the answer is about what is read.
            if not is_private(os.fstat(file.fileno()), os.geteuid(), {os.getegid(), *os.getgroups()}):
                raise FileError(
                    f"the key {path} is open to group or others: chmod 600 it, or give it to root and to a group of "
                    "the witness's own, mode 440"
                )
            key = load_pem_private_key(file.read(), password=None)
    except OSError as error:
        raise FileError(f"the key {path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise FileError(f"the key {path} is not an unencrypted PEM private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise FileError(f"the key {path} is not an Ed25519 key")
    return key


def is_private(found: os.stat_result, user: int, groups: Collection[int]) -> bool:
    """Whether nobody but this user can read or change the file, root aside.

    Root's own file may be read by a group of ours (a Secret's volume under `fsGroup`); a file of ours has no reason to.
    """
    if found.st_mode & (stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP):
        return False
    if not found.st_mode & stat.S_IRGRP:
        return True
    return found.st_uid == 0 != user and found.st_gid in groups


class LogFile:
    """Verifier keys of logs, one a line; read again when the file changed, so that a log can change its key."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version: tuple[int, int, int] | None = None
        self._logs: Mapping[str, Sequence[LogKey]] = {}

    def __call__(self) -> Mapping[str, Sequence[LogKey]]:
        """Keys by origin. FileError at the first reading; later what was read last stays while the file is bad."""
        try:
            found = self._path.stat()
            version = (found.st_mtime_ns, found.st_ino, found.st_size)
            if version != self._version:
                self._logs = _parse(self._path.read_text(encoding="utf-8"))
                self._version = version
        except (OSError, UnicodeDecodeError, NoteError) as error:
            if self._version is None:
                problem = error.strerror if isinstance(error, OSError) else str(error)
                raise FileError(f"the keys of logs in {self._path} cannot be read: {problem}") from error
        return self._logs


def _parse(text: str) -> dict[str, list[LogKey]]:
    logs: dict[str, list[LogKey]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            key = LogKey.parse(line.strip())
        except NoteError as error:
            raise NoteError(f"line {number}: {error}") from error
        logs.setdefault(key.name, []).append(key)
    return logs
