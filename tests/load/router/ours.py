"""Our platform as users run it, with a provider and a route for each behaviour of the scripted upstream, and a budget.

Token verification, rate limits, the budget, metrics, the ledger and audit are on; nothing is left out.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from amas_cli.local.options import UpOptions

from ...local_platform import LocalPlatform, remove_postgres_data
from .plan import Endpoint
from .processes import NotStartedError, log_end, module, stop, tied
from .resources import PLAIN, write_resources

NAME = "ours"
ROUTER_PARTS = ("gateway", "ai-router")
"""Whose CPU counts as ours: what stands where the peers stand. The others are printed apart."""
READY_TIMEOUT_S = 120.0


class BenchPlatform(LocalPlatform):
    """The local platform under the benchmark's own supervisor."""

    def __init__(self, folder: Path, profiles: Path | None = None) -> None:
        """Names the folder; nothing is started before `up`."""
        super().__init__(folder)
        self._profiles = profiles
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._parts: list[dict[str, Any]] = []

    def up(self) -> None:
        """Starts the platform on free ports and waits until it is ready.

        Raises:
            NotStartedError: it did not become ready.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        log = self.home.parent / "supervisor.log"
        extra = ("--profile", str(self._profiles)) if self._profiles else ()
        with log.open("ab") as errors:
            self._supervisor = subprocess.Popen(
                [*tied(), *module("supervise", *extra)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "AMAS_HOME": str(self.home)},
            )
        assert self._supervisor.stdin is not None
        assert self._supervisor.stdout is not None
        options = UpOptions(port_base=0, workspace=str(self.workspace))
        self._supervisor.stdin.write(options.to_json().encode() + b"\n")
        self._supervisor.stdin.close()
        if self._supervisor.stdout.readline() != b"ready\n":
            raise NotStartedError(f"the platform did not start:\n{log_end(log)}")
        self._parts = self.status()["parts"]

    def down(self) -> None:
        """Stops the platform."""
        if self._supervisor is not None:
            stop(self._supervisor)

    def parts(self) -> dict[str, Any]:
        """What `part_cpu` reads: the parts with their process ids, as they were when the platform was ready."""
        return {"parts": self._parts}

    def endpoint(self, model: str = PLAIN) -> Endpoint:
        """Where a route is asked for, with a fresh token."""
        port = int(self.status()["endpoints"]["api"].rpartition(":")[2].partition("/")[0])
        return Endpoint(port, headers={"authorization": f"Bearer {self.token()}"}, model=model)


@contextlib.contextmanager
def running_ours(folder: Path, urls: Mapping[str, str], profiles: Path | None = None) -> Iterator[BenchPlatform]:
    """A ready platform that knows the benchmark's routes; stopped at the end, whatever happens."""
    platform = BenchPlatform(folder, profiles)
    try:
        platform.up()
        platform.login("developer")
        written = write_resources(folder / "resources", urls)
        platform.command("apply", "-f", str(written), "--as", "developer")
        yield platform
    finally:
        platform.down()
        remove_postgres_data(platform.home)
