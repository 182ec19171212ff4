"""Watches an Argo Rollout and tells each change of its state: step, weight, pods, analysis, phase."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from ..waiting import wait_for
from .kube import Kube

ROLLOUTS = "rollouts.argoproj.io"


@dataclass(frozen=True)
class Seen:
    """A Rollout's state at a moment."""

    at: float
    """Seconds since the watch began."""
    phase: str
    """Healthy, Progressing, Paused or Degraded."""
    step: int
    steps: int
    weight: int
    stable: str
    """Pod template hash."""
    current: str
    new: int
    """Pods of the newest revision."""
    new_ready: int
    """At least so many: as if all others were ready."""
    total: int
    ready: int
    aborted: bool
    analysis: str
    message: str
    generation: bool
    """Whether the controller has seen the newest specification."""

    @property
    def promoted(self) -> bool:
        """The newest revision is the stable one, and healthy."""
        return self.generation and self.phase == "Healthy" and self.stable == self.current and not self.aborted

    @property
    def rolled_back(self) -> bool:
        """The newest revision was given up by the controller."""
        return self.generation and self.aborted and self.phase == "Degraded"

    def told(self) -> str:
        """One line of a log."""
        way = "aborted" if self.aborted else f"step {self.step}/{self.steps}"
        ran = f", analysis {self.analysis}" if self.analysis else ""
        why = f" - {self.message}" if self.message else ""
        pods = f"{self.new} new of {self.total} ({self.ready} ready)"
        return f"{self.phase:<11} {way}, weight {self.weight} %, {pods}, {self.stable}→{self.current}{ran}{why}"


def seen(rollout: dict[str, Any], at: float) -> Seen:
    """Reads a Rollout's status (argoproj.io/v1alpha1)."""
    status = rollout.get("status", {})
    canary = status.get("canary", {})
    step = canary.get("currentStepAnalysisRunStatus") or {}
    steps = rollout["spec"].get("strategy", {}).get("canary", {}).get("steps") or []
    weights = (canary.get("weights") or {}).get("canary") or {}
    updated, total, ready = (int(status.get(one, 0)) for one in ("updatedReplicas", "replicas", "readyReplicas"))
    index = int(status.get("currentStepIndex") or 0)
    return Seen(
        at=round(at, 1),
        phase=str(status.get("phase", "")),
        step=index,
        steps=len(steps),
        weight=int(weights.get("weight", _weight(steps[: index + 1]))),
        stable=str(status.get("stableRS", ""))[:10],
        current=str(status.get("currentPodHash", ""))[:10],
        new=updated,
        new_ready=max(0, ready - (total - updated)),
        total=total,
        ready=ready,
        aborted=bool(status.get("abort")),
        analysis=f"{step.get('name', '')} {step.get('status', '')}".strip(),
        message=str(status.get("message", ""))[:200],
        generation=str(status.get("observedGeneration", "")) == str(rollout["metadata"]["generation"]),
    )


def _weight(begun: list[dict[str, Any]]) -> int:
    return next((int(one["setWeight"]) for one in reversed(begun) if "setWeight" in one), 0)


def promote_by_plugin(kube: Kube, name: str, *, full: bool = False) -> None:
    """A person's yes to a Rollout that waits, by the plugin of Argo Rollouts; `full` to all steps that are left."""
    # A plugin takes its flags behind its name.
    command = ["kubectl", "argo", "rollouts", "promote", name, "--namespace", kube.namespace]
    command += ["--full"] if full else []
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}"


def promote_by_kubectl(kube: Kube, name: str) -> None:
    """The same without the plugin, as deploy/README.md tells."""
    change = json.dumps({"status": {"pauseConditions": None}})
    kube.run("patch", ROLLOUTS, name, "--subresource", "status", "--type", "merge", "--patch", change)


class Watch:
    """A watch on one Rollout, in a thread; each change is kept, and told."""

    def __init__(self, kube: Kube, name: str, tell: Callable[[str], None] = print) -> None:
        self._command = ["kubectl", "--namespace", kube.namespace, "get", "rollouts.argoproj.io", name]
        self._command += ["--watch", "--output", "json"]
        self.name = name
        self._tell = tell
        self._begun = time.monotonic()
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self.states: list[Seen] = []

    def __enter__(self) -> Self:
        """Begins."""
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True
        )
        self._thread = threading.Thread(target=self._read, name=f"watch {self.name}", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Ends the watch."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
        if self._thread is not None:
            self._thread.join(10)
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()

    @property
    def elapsed(self) -> float:
        """Seconds since the watch began."""
        return time.monotonic() - self._begun

    def until(self, what: str, holds: Callable[[Seen], bool], timeout: float, *, after: float = 0.0) -> Seen:
        """Waits for a state that was seen later than `after` seconds into the watch."""
        return wait_for(
            f"{self.name}: {what}",
            lambda: next((one for one in self.states if one.at >= after and holds(one)), None),
            timeout,
            every=0.2,
        )

    def _read(self) -> None:
        decoder, text = json.JSONDecoder(), ""
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            text += line
            if line.rstrip() != "}":
                continue
            document, end = decoder.raw_decode(text)
            text = text[end:].lstrip()
            self._changed(seen(document, self.elapsed))

    def _changed(self, now: Seen) -> None:
        if self.states and now.told() == self.states[-1].told() and now.generation == self.states[-1].generation:
            return
        self.states.append(now)
        self._tell(f"  {self.name} {now.at:6.1f} s  {now.told()}")
