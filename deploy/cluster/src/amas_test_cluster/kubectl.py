"""The administrator's kubectl: apply, wait, ask."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from .build import Builds
from .commands import attempt, run
from .layout import Layout

REQUEST_TIMEOUT_S = 30


class Kubectl:
    """kubectl with the cluster's kubeconfig, never the user's default context."""

    def __init__(self, program: Sequence[str], layout: Layout) -> None:
        self._unbounded = [
            *program,
            f"--kubeconfig={layout.kubeconfig}",
            f"--cache-dir={layout.builds}/kubectl",
        ]
        self._argv = [*self._unbounded, f"--request-timeout={REQUEST_TIMEOUT_S}s"]

    def __call__(self, *arguments: str, text: str | None = None, timeout: float = 60.0) -> str:
        """Runs to the end; a failure is a ClusterError."""
        return run([*self._argv, *arguments], text=text, timeout=timeout)

    def ask(self, *arguments: str) -> CompletedProcess[str]:
        """Runs to the end, whatever its exit code."""
        return attempt([*self._argv, *arguments])

    def succeeds(self, *arguments: str) -> bool:
        """Whether it exits with 0."""
        return self.ask(*arguments).returncode == 0

    def json(self, *arguments: str) -> dict[str, Any]:
        """The object that `-o json` prints."""
        answer: dict[str, Any] = json.loads(self(*arguments, "-o", "json"))
        return answer

    def apply(self, manifest: str) -> None:
        """Applies a manifest on the server's side, as one owner."""
        self(
            "apply", "--server-side", "--force-conflicts", "--field-manager=amas-test-cluster", "-f", "-", text=manifest
        )

    def apply_files(self, folder: Path) -> None:
        """Applies every YAML file of a folder."""
        self("apply", "--server-side", "--force-conflicts", "--field-manager=amas-test-cluster", "-f", str(folder))

    def wait(self, condition: str, seconds: int, *what: str) -> None:
        """Waits for a condition of objects."""
        # No request time-out of the kubectl's own: the watch lasts as long as we wait.
        arguments = [*self._unbounded, "wait", f"--for={condition}", f"--timeout={seconds}s", *what]
        run(arguments, timeout=seconds + 10)

    def wait_rollout(self, namespace: str, what: str, seconds: int) -> None:
        """Waits until a workload's pods are those of its newest template, and ready."""
        arguments = [*self._unbounded, "-n", namespace, "rollout", "status", what, f"--timeout={seconds}s"]
        run(arguments, timeout=seconds + 10)

    def secret_exists(self, namespace: str, name: str) -> bool:
        """Whether a Secret is there."""
        return self.succeeds("-n", namespace, "get", "secret", name)


def kubectl_of(layout: Layout) -> Kubectl:
    """kubectl of the build that the cluster runs, whatever was edited since; the user's for a cluster of the user."""
    running = layout.running_hyper
    if layout.own_kubeconfig:
        return Kubectl([shutil.which("kubectl") or str(layout.tools / "kubectl")], layout)
    return Kubectl([str(running if running.exists() else Builds(layout).program("hyper")), "kubectl"], layout)
