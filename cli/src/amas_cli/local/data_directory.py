"""Where a server's data lies: in the folder that was named, or where the server's user can reach it.

Below a folder that is closed to others (a checkout under /root, a private temporary folder) an unprivileged server
cannot work. Its data then lies in REACHABLE_PARENT, and a link at the named place says where. The link alone joins the
two: a name reckoned from the path would find, in a new folder at an old path, the data of one that is gone.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .embedded_server import EmbeddedServerError
from .server_identity import ServerIdentity, refuse_foreign

REACHABLE_PARENT = Path("/var/tmp")  # noqa: S108 -- the folder below it is made with mode 0700 and a name of its own
PREFIX = "amas-postgres-"


@dataclass(frozen=True)
class DataDirectory:
    """The data of one server, known by the place that its owner named."""

    named: Path
    identity: ServerIdentity

    @property
    def path(self) -> Path:
        """Where the data is, or would be if the server's user reaches the named place."""
        return self.named.readlink() if self.named.is_symlink() else self.named

    def check(self) -> None:
        """Raises EmbeddedServerError when the data is somebody else's, or gone from where the link says it is."""
        if self.named.is_symlink() and not self.path.is_dir():
            raise EmbeddedServerError(
                f"the data of {self.named} was in {self.path} and is not there; "
                "bring it back, or take away all that belongs to it (`amas down --delete`) and begin anew"
            )
        refuse_foreign(self.path, self.identity.uid)
        if self.path.exists() and not self.identity.reaches(self.path):
            raise EmbeddedServerError(
                f"the server's user cannot reach its data in {self.path}; let others pass through the folders above it"
            )

    def make(self) -> Path:
        """Answers an empty folder of the server's user, mode 0700, in place of what was there."""
        self.remove()
        self.named.parent.mkdir(parents=True, exist_ok=True)
        reached = self.identity.reaches(self.named)
        if reached:
            self.named.mkdir(mode=0o700)
        made = self.named if reached else Path(tempfile.mkdtemp(prefix=PREFIX, dir=REACHABLE_PARENT))
        # Before the link: a folder behind it that is not its user's is taken for somebody else's.
        self.identity.own(made)
        if not reached:
            self.named.symlink_to(made)
        return made

    def remove(self) -> None:
        """Takes the data away, here or where `make` has put it, and the link to it. Idempotent."""
        path = self.path
        # Whoever can write to the state folder must not choose what we delete: another link was not made here.
        if path.is_dir() and (path == self.named or (path.parent == REACHABLE_PARENT and path.name.startswith(PREFIX))):
            shutil.rmtree(path)
        if self.named.is_symlink():
            self.named.unlink()
