"""Brings the cluster up: builds what is missing, keeps what runs already, clears what an interrupted start left."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from . import addons, control_plane, machine, network, node
from .build import Builds
from .components import DEFINITIONS_MODULE, KEDA_MODULE, KUBERNETES_MODULE, PROMETHEUS_MODULE, ROLLOUTS_MODULE
from .dependencies import start_dependencies
from .down import CAME_UP, take_down
from .errors import ClusterError
from .files import write
from .images import load_images
from .kubectl import Kubectl, kubectl_of
from .layout import Layout
from .pki import write_pki
from .processes import Processes
from .progress import say, step

CLUSTER_MODULES = (KUBERNETES_MODULE, ROLLOUTS_MODULE, PROMETHEUS_MODULE, DEFINITIONS_MODULE)


def bring_up(layout: Layout, *, keda: bool = True) -> None:
    """Builds what is missing and starts the cluster; afterwards `layout.kubeconfig` reaches it.

    A cluster that came up whole is kept: what has ended of it, or was left out, is started.
    """
    modules = (*CLUSTER_MODULES, *((KEDA_MODULE,) if keda else ()))
    builds, processes = Builds(layout), Processes(layout)
    machine.ensure_programs()
    builds.ensure(modules)
    builds.link_tools()
    whole = _came_up(layout)
    if not whole:
        if layout.state.exists() or network.remains():
            say("clearing what an earlier start left")
            take_down(layout)
        machine.ensure_ready()
        _prepare(layout, builds)
    if not whole or processes.ended(parts(keda=keda)):
        _start(layout, builds, processes, kubectl_of(layout), keda=keda)
        write(layout.state / CAME_UP, _boot())
    else:
        say("the cluster is up already")
    load_images(layout)
    start_dependencies(layout, kubectl_of(layout))
    say(f"up: export KUBECONFIG={layout.kubeconfig}; `make cluster-status` tells more, `make cluster-down` ends it")


def _came_up(layout: Layout) -> bool:
    """Whether a start reached its end since the machine was booted; mounts and interfaces do not outlive a boot."""
    mark = layout.state / CAME_UP
    return mark.exists() and mark.read_text() == _boot()


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text()


def parts(*, keda: bool) -> list[str]:
    """Names of the processes of a whole cluster."""
    every = (*control_plane.PARTS, *node.PARTS, *addons.PARTS)
    return [name for name in every if keda or not name.startswith("keda-")]


def use_own(layout: Layout) -> None:
    """Looks at the cluster that KUBECONFIG names: it must answer, and have what the tests need."""
    if shutil.which("kubectl") is None:
        builds = Builds(layout)
        builds.ensure((KUBERNETES_MODULE,))
        builds.link_tools()
    kubectl = kubectl_of(layout)
    if not kubectl.succeeds("get", "--raw", "/readyz"):
        raise ClusterError(f"no cluster answers behind KUBECONFIG={layout.kubeconfig}")
    needed = {
        "rollouts.argoproj.io": "Argo Rollouts (https://argo-rollouts.readthedocs.io/en/stable/installation/)",
        "scaledobjects.keda.sh": "KEDA (https://keda.sh/docs/latest/deploy/)",
        "podmonitors.monitoring.coreos.com": "the Prometheus Operator (https://prometheus-operator.dev/)",
    }
    missing = [what for crd, what in needed.items() if not kubectl.succeeds("get", "crd", crd)]
    if missing:
        raise ClusterError(f"the cluster of KUBECONFIG lacks: {'; '.join(missing)}")
    kubectl.apply((layout.manifests / "namespaces.yaml").read_text())
    start_dependencies(layout, kubectl, own_node=False)
    say(f"using the cluster of {layout.kubeconfig}; its nodes need the images (`kind load image-archive FILE`)")


def _prepare(layout: Layout, builds: Builds) -> None:
    os.umask(0o022)
    # Pods' files are reached through it, so that it is open; what is secret in it has its own mode.
    layout.state.mkdir(mode=0o755, parents=True)
    layout.running_hyper.symlink_to(builds.program("hyper"))
    with step("certificates"):
        write_pki(layout)


def _start(layout: Layout, builds: Builds, processes: Processes, kubectl: Kubectl, *, keda: bool) -> None:
    """Starts what does not run; each step may have been done before."""
    with step("network"):
        network.bring_up(layout)
    with step("control plane"):
        control_plane.start(layout, builds, processes, kubectl)
    with step("containerd"):
        node.start_containerd(layout, builds, processes)
    with step("node"):
        node.start_kubelet(layout, builds, processes, kubectl)
    with step("custom resources"):
        addons.start_dns(layout, kubectl)
        addons.apply_definitions(builds, kubectl)
    with step("Argo Rollouts and Prometheus"):
        addons.start_rollouts(layout, builds, processes, kubectl)
        addons.start_prometheus(layout, builds, processes)
        addons.wait_for_rollouts(processes)
    if keda:
        with step("KEDA"):
            addons.start_keda(layout, builds, processes, kubectl)
            addons.wait_for_keda(processes, kubectl)
    with step("names"):
        addons.wait_for_dns(kubectl)
