"""Takes the cluster down and leaves nothing: processes by process id, pods, mounts, network, cgroups, files."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import psutil

from . import network
from .cgroups import pod_cgroups, remove_pod_cgroups
from .commands import attempt
from .errors import ClusterError
from .files import remove_if_empty
from .layout import Layout
from .node import ctr
from .processes import Processes
from .progress import say
from .waiting import becomes

# In the cluster's folder once a start has reached its end: the boot that it was in.
CAME_UP = "came-up"
# Controllers first, so that nothing brings back what is taken away; containerd last, it ends the pods.
BEFORE_PODS = (
    "follow-monitors",
    "prometheus",
    "keda-operator",
    "keda-adapter",
    "rollouts-controller",
    "kube-scheduler",
    "kube-controller-manager",
    "kubelet",
)
AFTER_PODS = ("kube-proxy", "kube-apiserver", "etcd", "containerd")
PODS_END_S = 20.0
# Links to pods' logs, which kubelet makes whatever folder it is told.
LOG_LINKS = Path("/var/log/containers")
# Of containerd's library for pod networks, of its shims, and of kubelet; they know no other place.
NETWORK_RESULTS = Path("/var/lib/cni/results")
SHIM_SOCKETS = Path("/run/containerd/s")
DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")
VOLUME_PLUGINS = Path("/usr/libexec/kubernetes/kubelet-plugins/volume/exec")
OPTIONAL = Path("/opt/containerd")
# Folders that these and the controller manager make, whatever they are told; each before the one that it is in.
MADE = (
    LOG_LINKS,
    *(NETWORK_RESULTS, NETWORK_RESULTS.parent),
    *(SHIM_SOCKETS, SHIM_SOCKETS.parent),
    *(DEVICE_PLUGINS, DEVICE_PLUGINS.parent),
    *(VOLUME_PLUGINS, *VOLUME_PLUGINS.parents[:3]),
    *(OPTIONAL / "bin", OPTIONAL / "lib", OPTIONAL),
)


def take_down(layout: Layout) -> None:
    """Stops and removes everything of the cluster; each part may be gone already."""
    if os.geteuid() != 0:
        raise ClusterError("taking the cluster down needs root, as bringing it up did")
    # First, so that an end that is interrupted is never taken for a cluster that came up.
    (layout.state / CAME_UP).unlink(missing_ok=True)
    processes = Processes(layout)
    for name in BEFORE_PODS:
        processes.stop(name)
    if processes.running("containerd"):
        # One that hangs is stopped as well, and its pods are ended without it.
        with contextlib.suppress(ClusterError):
            _end_pods(layout)
    for name in AFTER_PODS:
        processes.stop(name)
    _end_orphans(layout)
    _unmount(layout)
    network.take_down(layout)
    remove_pod_cgroups()
    _remove_strays(layout)
    shutil.rmtree(layout.state, ignore_errors=True)


def report_remains(layout: Layout) -> None:
    """Says that nothing is left, or what."""
    left = [*network.remains(), *map(str, pod_cgroups())]
    if layout.state.exists():
        left.append(str(layout.state))
    left += [line.split()[1] for line in _mounts(layout)]
    left += map(str, _network_results(layout))
    if left:
        raise ClusterError(f"still there: {', '.join(left)}; look at what uses it and run `make cluster-down` again")
    say("down: no process, mount, interface, rule, cgroup or file of the cluster is left")


def _end_pods(layout: Layout) -> None:
    for task in ctr(layout, "tasks", "list", "-q").stdout.split():
        ctr(layout, "tasks", "kill", "--signal", "SIGKILL", task)
    becomes(lambda: "RUNNING" not in ctr(layout, "tasks", "list").stdout, PODS_END_S)
    for task in ctr(layout, "tasks", "list", "-q").stdout.split():
        ctr(layout, "tasks", "delete", "--force", task)
    for container in ctr(layout, "containers", "list", "-q").stdout.split():
        ctr(layout, "containers", "delete", container)


def _end_orphans(layout: Layout) -> None:
    """Ends pods whose containerd was killed: their shims, which name its socket, live on without it, and so do they."""
    address = ["-address", str(layout.containerd_socket)]
    shims = [
        process
        for process in psutil.process_iter(["cmdline"])
        if any((process.info["cmdline"] or [])[at : at + 2] == address for at in range(1, 10))
    ]
    left: list[psutil.Process] = []
    for shim in shims:
        with contextlib.suppress(psutil.NoSuchProcess):
            # Its containers are its children: it is their reaper (prctl(2), PR_SET_CHILD_SUBREAPER).
            left += [shim, *shim.children(recursive=True)]
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, PODS_END_S)


def _mounts(layout: Layout) -> list[str]:
    with Path("/proc/mounts").open() as lines:
        return [line for line in lines if line.split()[1].startswith(f"{layout.state}/")]


def _unmount(layout: Layout) -> None:
    for line in sorted(_mounts(layout), key=lambda entry: entry.split()[1], reverse=True):
        target = line.split()[1].encode().decode("unicode_escape")
        if attempt(["umount", target]).returncode != 0:
            attempt(["umount", "--lazy", target])


def _network_results(layout: Layout) -> list[Path]:
    """What networks keep of each pod, loopback's as well: those that name our folder, by the path of a pod's network
    or of the plug-ins' state."""
    ours = f'"{layout.state}/'.encode()
    return [path for path in NETWORK_RESULTS.glob("*") if path.is_file() and ours in path.read_bytes()]


def _remove_strays(layout: Layout) -> None:
    for link in LOG_LINKS.glob("*.log"):
        if link.is_symlink() and os.readlink(link).startswith(f"{layout.state}/"):
            link.unlink()
    for result in _network_results(layout):
        result.unlink()
    for stray in (*SHIM_SOCKETS.glob("*"), *DEVICE_PLUGINS.glob("kubelet.sock")):
        # A socket without its shim, or its kubelet, answers nobody.
        if stray.is_socket() and str(stray) not in Path("/proc/net/unix").read_text():
            stray.unlink()
    for folder in MADE:
        remove_if_empty(folder)
