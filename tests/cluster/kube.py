"""The cluster as `kubectl` shows it: objects as JSON, waits with a bound, and nothing that is not in $KUBECONFIG."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

from ..waiting import wait_for

COMMAND_TIMEOUT_S = 120.0


class KubectlError(AssertionError):
    """A command ended otherwise than it should; the message is what it printed."""


class Kube:
    """`kubectl` in one namespace."""

    def __init__(self, namespace: str, *, context: str = "") -> None:
        self.namespace = namespace
        self._base = ["kubectl", *(["--context", context] if context else []), "--namespace", namespace]

    def run(self, *arguments: str, given: str | None = None, timeout: float = COMMAND_TIMEOUT_S) -> str:
        """Runs a command and answers its output.

        Raises:
            KubectlError: it failed, or took longer than `timeout` seconds.
        """
        try:
            done = subprocess.run(
                [*self._base, *arguments],
                input=given,
                stdin=subprocess.DEVNULL if given is None else None,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            raise KubectlError(f"kubectl {' '.join(arguments)}: not within {timeout:.0f} s") from late
        if done.returncode != 0:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """One object."""
        return dict(json.loads(self.run("get", kind, name, "--output", "json")))

    def all(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """All objects of a kind that a label selector fits."""
        chosen = ("--selector", selector) if selector else ()
        return list(json.loads(self.run("get", kind, *chosen, "--output", "json"))["items"])

    def exists(self, kind: str, name: str) -> bool:
        """Whether an object is there."""
        return bool(self.run("get", kind, name, "--ignore-not-found", "--output", "name").strip())

    def apply(self, manifest: str) -> None:
        """Applies a manifest."""
        self.run("apply", "--filename", "-", given=manifest)

    def patch(self, kind: str, name: str, change: dict[str, Any]) -> None:
        """Changes an object by a JSON merge patch (RFC 7386)."""
        self.run("patch", kind, name, "--type", "merge", "--patch", json.dumps(change))

    def delete(self, kind: str, name: str, *, now: bool = False) -> None:
        """Deletes an object without waiting for its end; `now` gives a pod no grace."""
        force = ("--grace-period", "0", "--force") if now else ()
        self.run("delete", kind, name, "--wait=false", *force)

    def logs(self, pod: str, container: str, *, previous: bool = False, lines: int = 500) -> str:
        """The end of a container's log."""
        before = ("--previous",) if previous else ()
        return self.run("logs", pod, "--container", container, "--tail", str(lines), *before)

    def secret(self, name: str, key: str) -> str:
        """A value of a Secret."""
        return self.run(
            "get", "secret", name, "--output", f"go-template={{{{index .data {json.dumps(key)} | base64decode}}}}"
        )

    def until(self, what: str, look: Callable[[], Any], timeout: float) -> Any:
        """Looks until there is an answer, within `timeout` seconds."""
        return wait_for(what, look, timeout, every=1.0)

    def pods(self, selector: str) -> list[dict[str, Any]]:
        """Pods that are not on their way out."""
        return [pod for pod in self.all("pods", selector) if "deletionTimestamp" not in pod["metadata"]]


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether a pod's condition Ready is true."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def restarts(pod: dict[str, Any], container: str) -> int:
    """How often a container of a pod was started again, native sidecars included."""
    status = pod.get("status", {})
    all_of_them = status.get("containerStatuses", []) + status.get("initContainerStatuses", [])
    return sum(int(one["restartCount"]) for one in all_of_them if one["name"] == container)
