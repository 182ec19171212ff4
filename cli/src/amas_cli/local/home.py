"""The state folder of the local platform (`AMAS_HOME`, default `.amas`) and what lies where in it."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode

PRIVATE_FOLDER = 0o700
TRAVERSABLE_FOLDER = 0o711
"""As root, Postgres runs under another user, which must reach its data through this folder but list nothing in it."""
PRIVATE_FILE = 0o600
SOCKET_PATH_LIMIT = 100
"""Bytes; Linux takes 107 in a sockaddr_un."""


@dataclass(frozen=True)
class Home:
    """Paths under one state folder. Holds no state itself."""

    root: Path

    @classmethod
    def from_environment(cls) -> "Home":
        """Of `AMAS_HOME`, else `.amas` in the current folder."""
        return cls(Path(os.environ.get("AMAS_HOME") or ".amas").absolute())

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def state(self) -> Path:
        return self.root / "state.json"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def secrets(self) -> Path:
        """Passwords, one a file."""
        return self.root / "secrets"

    @property
    def certificates(self) -> Path:
        return self.root / "certificates"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def valkey(self) -> Path:
        return self.root / "valkey"

    @property
    def keys(self) -> Path:
        """Keys of model providers, one a file, for the ai-router."""
        return self.root / "keys"

    @property
    def credentials(self) -> Path:
        """Credentials of tools, for the policy-sidecar alone."""
        return self.root / "credentials"

    @property
    def issuer(self) -> Path:
        return self.root / "issuer"

    @property
    def resources(self) -> Path:
        return self.root / "resources"

    @property
    def workspace(self) -> Path:
        return self.root / "workspace"

    @property
    def audit_signing_key(self) -> Path:
        return self.secrets / "audit-signing-key.pem"

    @property
    def audit_master_key(self) -> Path:
        return self.secrets / "audit-master-key"

    @property
    def audit_public_key(self) -> Path:
        return self.root / "audit.pub"

    @property
    def policy_socket(self) -> Path:
        """In the state folder, or in a private temporary one when that path is too long for a socket."""
        path = self.root / "run" / "policy.sock"
        if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
            return path
        import hashlib

        name = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"amas-{os.getuid()}-{name}" / "policy.sock"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def create(self) -> None:
        """Make the folders, each private. Raises CliError when the disk or the rights do not allow it."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.root.chmod(TRAVERSABLE_FOLDER if os.geteuid() == 0 else PRIVATE_FOLDER)
            for folder in (
                self.logs,
                self.secrets,
                self.keys,
                self.credentials,
                self.resources,
                self.workspace,
                self.policy_socket.parent,
            ):
                folder.mkdir(exist_ok=True)
                if folder.parent != self.root:
                    _refuse_foreign(folder)
                folder.chmod(PRIVATE_FOLDER)
        except OSError as error:
            raise CliError(
                f"The state folder {self.root} cannot be written: {error.strerror}.",
                next_step="free some space, or name another folder with AMAS_HOME",
                exit_code=ExitCode.FAILED,
            ) from error


def _refuse_foreign(folder: Path) -> None:
    """In the temporary folder everybody may put something at a name that can be guessed."""
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise CliError(
            f"{folder} belongs to somebody else.",
            next_step="remove it, or name a folder with a shorter path with AMAS_HOME",
            exit_code=ExitCode.FAILED,
        )


def write_private(path: Path, content: str) -> None:
    """Write a file that only its owner reads, in one move: a reader sees the old or the new content, never half."""
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(file.fileno(), PRIVATE_FILE)
        file.write(content)
    temporary.replace(path)
