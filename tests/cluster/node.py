"""What is done to the node, on the test cluster of deploy/cluster alone: faults, policies enforced, and volumes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from .kube import Kube, restarts

STATE = Path(os.environ.get("AMAS_CLUSTER_DIR", "/var/lib/amas-cluster"))
COMMAND_TIMEOUT_S = 120.0
RESTART_TIMEOUT_S = 120.0
IMAGE_USER = 65532
"""The user of our images."""


def is_ours() -> bool:
    """Whether $KUBECONFIG is that of the test cluster."""
    return Path(os.environ.get("KUBECONFIG", "/")).resolve() == (STATE / "admin.kubeconfig").resolve()


def restart(part: str) -> None:
    """Restarts a program of the test cluster, such as kubelet."""
    _run(sys.executable, "-m", "amas_test_cluster", "restart", part)


def can_stand_in() -> bool:
    """Whether nftables of this machine can take the place of a policy engine."""
    return is_ours() and shutil.which("nft") is not None


def policies(what: str) -> None:
    """Enforces the NetworkPolicies of this moment by nftables (`apply`), or no more (`remove`)."""
    _run(sys.executable, "-m", "amas_test_cluster", "policies", what)


def volume_folder(name: str) -> Path:
    """Where a volume of the node keeps its files."""
    return STATE / "volumes" / name


def make_volume(kube: Kube, name: str, claim: str) -> None:
    """A volume for a claim of the namespace: the test cluster has no provisioner. What is in its folder stays."""
    folder = volume_folder(name)
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True)
        os.chown(folder, IMAGE_USER, IMAGE_USER)
    spec = {
        "storageClassName": "amas-node",
        "capacity": {"storage": "64Mi"},
        "accessModes": ["ReadWriteOncePod"],
        "persistentVolumeReclaimPolicy": "Retain",
        "claimRef": {"namespace": kube.namespace, "name": claim},
        "hostPath": {"path": str(folder), "type": "Directory"},
    }
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}
    kube.apply(json.dumps(volume))


def kill_container(kube: Kube, pod: str, container: str) -> None:
    """Kills a container's first process (SIGKILL) and waits until the kubelet has started it again."""
    before = kube.get("pod", pod)
    identity = _container_id(before, container)
    count = restarts(before, container)
    _run(
        "ctr",
        "--address",
        str(STATE / "containerd.sock"),
        "--namespace",
        "k8s.io",
        "tasks",
        "kill",
        "--signal",
        "SIGKILL",
        identity,
    )
    kube.until(
        f"{container} of {pod} is started again",
        lambda: restarts(kube.get("pod", pod), container) > count,
        RESTART_TIMEOUT_S,
    )


def _container_id(pod: dict[str, Any], container: str) -> str:
    status = pod["status"]
    found = [*status.get("containerStatuses", []), *status.get("initContainerStatuses", [])]
    return next(str(one["containerID"]).removeprefix("containerd://") for one in found if one["name"] == container)


def _run(*command: str) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, stdin=subprocess.DEVNULL, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}"
