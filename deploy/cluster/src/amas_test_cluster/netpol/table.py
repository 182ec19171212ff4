"""Puts the cluster's NetworkPolicies, as they are at this moment, into the table of this machine, and takes it away."""

from __future__ import annotations

from amas_test_cluster.commands import run
from amas_test_cluster.errors import ClusterError
from amas_test_cluster.kubectl import Kubectl
from amas_test_cluster.layout import Layout
from amas_test_cluster.progress import say

from .isolation import isolated
from .rendering import FAMILY, TABLE, render
from .selectors import population


def apply(layout: Layout, kubectl: Kubectl) -> None:
    """Renders every NetworkPolicy over every pod and loads the table in one step.

    It is a picture of one moment: after pods or policies have changed, apply again.

    Raises:
        ClusterError: the cluster is the user's own, or does not answer, or nft refuses.
    """
    if layout.own_kubeconfig:
        raise ClusterError(
            "KUBECONFIG names a cluster of your own: its policies are its own engine's; unset it for the test cluster"
        )
    policies = kubectl.json("get", "networkpolicies.networking.k8s.io", "--all-namespaces")["items"]
    pods = kubectl.json("get", "pods", "--all-namespaces")["items"]
    namespaces = kubectl.json("get", "namespaces")["items"]
    shut = isolated(policies, population(pods, namespaces))
    run(["nft", "-f", "-"], text=render(shut))
    say(
        f"{len(policies)} policies isolate {len({one.pod.address for one in shut})} pods now; `policies remove` ends it"
    )


def remove() -> None:
    """Takes the table away; it may be gone already.

    Raises:
        ClusterError: nft refuses, or is not there.
    """
    run(["nft", "-f", "-"], text=f"table {FAMILY} {TABLE}\ndelete table {FAMILY} {TABLE}\n")
    say("no policy is enforced")
