"""The user that an embedded server runs as: ourselves, or an unprivileged one when we are root."""

from __future__ import annotations

import contextlib
import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .embedded_server import EmbeddedServerError


@dataclass(frozen=True)
class ServerIdentity:
    """The user and group of a server's processes and files."""

    uid: int
    gid: int

    @classmethod
    def current(cls) -> ServerIdentity:
        """Answers ourselves; as root `postgres` or `nobody`. EmbeddedServerError: there is neither."""
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid())
        for name in ("postgres", "nobody"):
            with contextlib.suppress(KeyError):
                entry = pwd.getpwnam(name)
                return cls(entry.pw_uid, entry.pw_gid)
        raise EmbeddedServerError("Postgres does not run as root, and there is neither a user `postgres` nor `nobody`")

    def popen(self) -> dict[str, Any]:
        """Keyword arguments for subprocess that drop our privileges."""
        if os.geteuid() != 0:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def reaches(self, path: Path) -> bool:
        """Says whether this user could come to a path through its parents."""
        if os.geteuid() != 0:
            return True
        return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents)

    def own(self, path: Path) -> None:
        """Gives a file to this user, where we may."""
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid)


def refuse_foreign(folder: Path, uid: int) -> None:
    """Raises EmbeddedServerError for a folder that somebody else has put where ours is to be."""
    if folder.is_symlink() or (folder.exists() and folder.stat().st_uid != uid):
        raise EmbeddedServerError(f"{folder} belongs to somebody else; remove it and try again")
