"""The release as `helm` installs, upgrades, tests and removes it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HELM_TIMEOUT_S = 420
ROOT = Path(__file__).resolve().parents[2]


class HelmError(AssertionError):
    """A command of helm failed; the message is what it printed."""


class Release:
    """One release of the umbrella chart; `values` are files that every install and upgrade is given."""

    def __init__(self, name: str, namespace: str, chart: Path, values: tuple[Path, ...]) -> None:
        self.name = name
        self.namespace = namespace
        self.chart = chart
        self._values = values

    def upgrade(
        self, sets: Mapping[str, Any] | None = None, *, chart: Path | None = None, take_over: bool = False
    ) -> str:
        """Installs the release or upgrades it, with some values set above the files.

        Helm waits for the hooks alone (set-up, migrations): it does not know when a Rollout is done, and one that
        analysis takes back would be a failure to it. `take_over` sets also what others have set since, such as the
        number of pods that an autoscaler chose.
        """
        files = [part for file in self._values for part in ("--values", str(file))]
        forced = ["--force-conflicts"] if take_over else []
        given = [part for key, value in (sets or {}).items() for part in ("--set-json", f"{key}={json.dumps(value)}")]
        return self._run(
            "upgrade",
            "--install",
            self.name,
            str(chart or self.chart),
            *files,
            *given,
            *forced,
            "--timeout",
            f"{HELM_TIMEOUT_S}s",
        )

    def rollback(self) -> str:
        """Back to the revision before the newest; hooks of upgrades do not run. Rollouts are not waited for."""
        return self._run("rollback", self.name, "--timeout", f"{HELM_TIMEOUT_S}s")

    def render(self, *templates: str) -> str:
        """What the chart makes of the values, of some of its templates alone; nothing is installed."""
        files = [part for file in self._values for part in ("--values", str(file))]
        shown = [part for template in templates for part in ("--show-only", template)]
        return self._run("template", self.name, str(self.chart), *files, *shown)

    def test(self) -> str:
        """Runs the chart's own tests."""
        return self._run("test", self.name, "--logs", "--timeout", f"{HELM_TIMEOUT_S}s")

    def uninstall(self) -> str:
        """Removes the release."""
        return self._run("uninstall", self.name, "--wait", "--timeout", f"{HELM_TIMEOUT_S}s")

    def installed(self) -> bool:
        """Whether there is such a release, in whatever state."""
        listed = json.loads(self._run("list", "--output", "json"))
        return any(one["name"] == self.name for one in listed)

    def manifest(self) -> str:
        """What the newest revision consists of."""
        return self._run("get", "manifest", self.name)

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            ["helm", *arguments, "--namespace", self.namespace],
            capture_output=True,
            text=True,
            timeout=HELM_TIMEOUT_S + 60,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode != 0:
            raise HelmError(f"helm {' '.join(arguments[:3])}: {(done.stderr.strip() or done.stdout.strip())[-3000:]}")
        return done.stdout
