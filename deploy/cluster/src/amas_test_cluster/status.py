"""Tells what of the cluster runs and how it is reached."""

from __future__ import annotations

from .addresses import PROMETHEUS_ADDRESS
from .errors import ClusterError
from .kubectl import kubectl_of
from .layout import Layout
from .node import node_images
from .processes import Processes
from .progress import say


def show_status(layout: Layout) -> None:
    """Prints processes, nodes, pods and images; a cluster that is not up is an error."""
    processes = Processes(layout)
    if layout.own_kubeconfig:
        say(f"the cluster of KUBECONFIG={layout.kubeconfig}")
    elif not processes.names():
        raise ClusterError("the cluster is not up: `make cluster-up`")
    for name in processes.names():
        say(f"{name:26} {'runs' if processes.running(name) else f'HAS ENDED, see {processes.log(name)}'}")
    kubectl = kubectl_of(layout)
    print(kubectl("get", "nodes", "-o", "wide"))
    print(kubectl("get", "pods", "--all-namespaces", "-o", "wide"))
    if processes.running("containerd"):
        print("images:", *node_images(layout), sep="\n  ")
        print(f"KUBECONFIG={layout.kubeconfig}  Prometheus: http://{PROMETHEUS_ADDRESS}")
