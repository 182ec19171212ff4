"""Keeps what helps to understand a failed proof, under out/cluster/<proof>/."""

from __future__ import annotations

import contextlib
from pathlib import Path

from .kube import Kube, KubectlError

OUT = Path(__file__).resolve().parents[2] / "out" / "cluster"
KINDS = "pods,rollouts.argoproj.io,analysisruns.argoproj.io,replicasets,cronjobs,jobs,pvc,scaledobjects.keda.sh,hpa"
MAX_PODS = 40


def keep(proof: str, kubes: list[Kube]) -> Path:
    """Writes descriptions, events, analysis runs and the ends of all logs; answers the folder. Secrets are not read."""
    folder = OUT / proof
    folder.mkdir(parents=True, exist_ok=True)
    for kube in kubes:
        _write(folder / f"{kube.namespace}-objects.txt", kube, "get", KINDS, "--output", "wide")
        _write(folder / f"{kube.namespace}-events.txt", kube, "get", "events", "--sort-by", ".lastTimestamp")
        _write(folder / f"{kube.namespace}-pods.txt", kube, "describe", "pods")
        _write(folder / f"{kube.namespace}-analysis.yaml", kube, "get", "analysisruns.argoproj.io", "--output", "yaml")
        _write(folder / f"{kube.namespace}-rollouts.yaml", kube, "get", "rollouts.argoproj.io", "--output", "yaml")
        _logs(folder, kube)
    return folder


def _write(path: Path, kube: Kube, *command: str) -> None:
    try:
        path.write_text(kube.run(*command))
    except KubectlError as error:
        path.write_text(f"{error}\n")


def _logs(folder: Path, kube: Kube) -> None:
    with contextlib.suppress(KubectlError):
        for pod in kube.all("pods")[:MAX_PODS]:
            name = pod["metadata"]["name"]
            spec = pod["spec"]
            for container in [*spec.get("initContainers", []), *spec["containers"]]:
                for before in (False, True):
                    with contextlib.suppress(KubectlError):
                        text = kube.logs(name, container["name"], previous=before)
                        end = ".previous.log" if before else ".log"
                        (folder / f"{name}.{container['name']}{end}").write_text(text)
