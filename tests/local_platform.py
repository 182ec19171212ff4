"""A whole platform on free ports in a folder of its own, driven by the `amas` command as a user would."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from amas_cli.local.embedded_postgres import EmbeddedPostgres

CONTRACTS = Path(__file__).resolve().parents[1] / "policies" / "contracts"
UP_TIMEOUT_S = 120
COMMAND_TIMEOUT_S = 120
GIT_IDENTITY = ("-c", "user.name=AMAS test", "-c", "user.email=test@amas.invalid")

COMMITS = (
    "feat: import statements from CSV files",
    "fix: keep the sign of amounts below one",
    "docs: say how to export a year",
    "feat(api): list accounts by page",
    "chore: pin the linter",
    "fix(export): close the file on an error",
)


class CommandError(AssertionError):
    """An `amas` command ended otherwise than the test expects."""


class LocalPlatform:
    """`amas up` in a folder; every method runs the command that a user would."""

    def __init__(self, folder: Path, *, model: str = "") -> None:
        """Names the folder, and the scripted provider's model if not its usual one; nothing is started before `up`."""
        self.model = model
        self.home = folder / "home"
        self.workspace = folder / "workspace"
        self.repository = self.workspace / "repository"
        self.workspace.mkdir(parents=True, exist_ok=True)
        self.logged_in: set[str] = set()

    def command(self, *arguments: str, expect: int | None = 0, timeout: float = COMMAND_TIMEOUT_S) -> str:
        """Runs `amas ...` and answers what it printed.

        Raises:
            CommandError: its exit code is not the expected one.
        """
        done = self.attempt(*arguments, timeout=timeout)
        if expect is not None and done.returncode != expect:
            raise CommandError(f"amas {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def attempt(self, *arguments: str, timeout: float = COMMAND_TIMEOUT_S) -> subprocess.CompletedProcess[str]:
        """Runs `amas ...` and answers how it ended."""
        environment = {**os.environ, "AMAS_HOME": str(self.home), "NO_COLOR": "1", "COLUMNS": "200"}
        if self.model:
            environment["AMAS_MODEL"] = self.model
        return subprocess.run(
            [sys.executable, "-m", "amas_cli", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def json(self, *arguments: str, as_: str = "developer", expect: int | None = 0) -> Any:
        """Runs a command as a principal with `--output json` and answers the document."""
        self.login(as_)
        return json.loads(self.command(*arguments, "--as", as_, "--output", "json", expect=expect))

    def up(self) -> None:
        """Starts the platform on free ports and waits until it is ready."""
        self.command("up", "--port-base", "0", "--workspace", str(self.workspace), timeout=UP_TIMEOUT_S)

    def down(self) -> None:
        """Stops the platform."""
        self.command("down", timeout=UP_TIMEOUT_S)

    def status(self) -> dict[str, Any]:
        """What `amas status` says, also while parts are away."""
        return dict(json.loads(self.command("status", "--output", "json", expect=None)))

    def pid(self, part: str) -> int:
        """Process id of a part now."""
        return next(int(found["pid"]) for found in self.status()["parts"] if found["name"] == part)

    def login(self, principal: str) -> None:
        """Logs in once."""
        if principal not in self.logged_in:
            self.command("login", "--as", principal)
            self.logged_in.add(principal)

    def token(self, principal: str = "developer") -> str:
        """A fresh access token of a principal, straight from the issuer."""
        issuer = self.status()["endpoints"]["issuer"]
        secret = (self.home / "issuer" / "clients" / principal).read_text().strip()
        body = f"grant_type=client_credentials&client_id={principal}&client_secret={secret}".encode()
        with urllib.request.urlopen(f"{issuer}/token", data=body, timeout=COMMAND_TIMEOUT_S) as answer:
            return str(json.load(answer)["access_token"])

    def apply_release_notes(self) -> None:
        """Applies the shipped orchestration and the local model."""
        self.login("developer")
        folders = (str(CONTRACTS / "release-notes"), str(self.home / "resources"))
        self.command("apply", "-f", folders[0], "-f", folders[1], "--as", "developer")

    def start_run(self, key: str = "") -> str:
        """Starts release-notes and answers the run's id."""
        idempotency = ("--idempotency-key", key) if key else ()
        return str(self.json("run", "release-notes", "-i", "repository=repository", *idempotency)["id"])

    def git(self, *arguments: str) -> str:
        """Runs git in the working copy."""
        done = subprocess.run(
            ["git", "-C", str(self.repository), *GIT_IDENTITY, *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def make_repository(self) -> str:
        """Makes a small repository with a history to sort; answers its HEAD."""
        self.repository.mkdir()
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "AMAS test")
        self.git("config", "user.email", "test@amas.invalid")
        for number, subject in enumerate(COMMITS):
            (self.repository / f"file-{number}.txt").write_text(subject)
            self.git("add", ".")
            self.git("commit", "-q", "-m", subject)
        return self.git("rev-parse", "HEAD")

    def reset_repository(self, head: str) -> None:
        """Takes back what a run has done to the working copy."""
        self.git("reset", "-q", "--hard", head)
        self.git("clean", "-qfd")

    def commits_since(self, head: str) -> list[str]:
        """Subjects of the commits after a HEAD, newest first."""
        return [line for line in self.git("log", "--format=%s", f"{head}..HEAD").splitlines() if line]

    def verify(self, run: str, folder: Path) -> str:
        """Exports a run's audit trail and verifies it offline; answers the verifier's words."""
        self.login("auditor")
        target = folder / f"{run}.jsonl"
        self.command("audit", "export", run, "--as", "auditor", "-o", str(target))
        return self.command("audit", "verify", str(target), "--public-key", str(self.home / "audit.pub"))


def remove_postgres_data(home: Path) -> None:
    """Takes away the data of a stopped platform's Postgres, which lies outside `home` where only we reach that."""
    EmbeddedPostgres(home / "postgres", 0, password_file=home / "none").remove()


@contextlib.contextmanager
def running_platform(folder: Path, *, model: str = "") -> Iterator[LocalPlatform]:
    """A ready platform with a repository in its workspace; stopped at the end, whatever happens."""
    platform = LocalPlatform(folder, model=model)
    platform.make_repository()
    try:
        platform.up()
        yield platform
    finally:
        platform.attempt("down", timeout=UP_TIMEOUT_S)
        # The logs stay.
        remove_postgres_data(platform.home)
