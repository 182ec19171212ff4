"""What a NetworkPolicy names: pods and namespaces by their labels, addresses by blocks, ports by number or name.

Semantics: https://kubernetes.io/docs/concepts/services-networking/network-policies/ and the LabelSelector of
https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, collapse_addresses, ip_network
from typing import Any

from amas_test_cluster.errors import ClusterError

ENDED = ("Succeeded", "Failed")
EVERYWHERE = (IPv4Network("0.0.0.0/0"),)


@dataclass(frozen=True)
class Pod:
    """A pod that has a network of its own, with its IPv4 address and the named ports of its containers."""

    namespace: str
    name: str
    address: IPv4Address
    labels: Mapping[str, str]
    ports: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Number by protocol and name."""

    @property
    def network(self) -> IPv4Network:
        """The block that holds this pod alone."""
        return IPv4Network(self.address)


@dataclass(frozen=True)
class Population:
    """All pods and the labels of all namespaces at one moment."""

    pods: tuple[Pod, ...]
    namespaces: Mapping[str, Mapping[str, str]]


def population(pods: Iterable[Mapping[str, Any]], namespaces: Iterable[Mapping[str, Any]]) -> Population:
    """Reads Pod and Namespace objects. Pods that share the node's network, have ended or have no IPv4 address yet are
    left out: no policy is about them."""
    found = [
        _pod(one) for one in pods if not one["spec"].get("hostNetwork") and one["status"].get("phase") not in ENDED
    ]
    labels = {one["metadata"]["name"]: one["metadata"].get("labels", {}) for one in namespaces}
    return Population(tuple(one for one in found if one is not None), labels)


def _pod(given: Mapping[str, Any]) -> Pod | None:
    status = given["status"]
    addresses = [one["ip"] for one in status.get("podIPs", [{"ip": status.get("podIP", "")}]) if "." in one["ip"]]
    if not addresses:
        return None
    spec = given["spec"]
    # An init container without `restartPolicy: Always` has ended before the pod is one; its names do no harm.
    containers = [*spec.get("initContainers", []), *spec["containers"]]
    ports = {
        (port.get("protocol", "TCP"), port["name"]): port["containerPort"]
        for container in containers
        for port in container.get("ports", [])
        if "name" in port
    }
    meta = given["metadata"]
    return Pod(meta["namespace"], meta["name"], IPv4Address(addresses[0]), meta.get("labels", {}), ports)


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector fits; an empty one fits everything.

    Raises:
        ClusterError: an operator that Kubernetes does not know.
    """
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_expression(one, labels) for one in selector.get("matchExpressions") or ())


def _expression(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, operator, values = expression["key"], expression["operator"], expression.get("values") or ()
    if operator == "In":
        return labels.get(key) in values
    if operator == "NotIn":
        return key not in labels or labels[key] not in values
    if operator == "Exists":
        return key in labels
    if operator == "DoesNotExist":
        return key not in labels
    raise ClusterError(
        f"a label selector has the operator {operator}; Kubernetes knows In, NotIn, Exists, DoesNotExist"
    )


def pods_of(peer: Mapping[str, Any], own_namespace: str, everything: Population) -> tuple[Pod, ...]:
    """The pods that a peer's selectors name: without a namespaceSelector those of the policy's own namespace."""
    spaces = peer.get("namespaceSelector")
    chosen = peer.get("podSelector") or {}
    return tuple(
        pod
        for pod in everything.pods
        if (
            pod.namespace == own_namespace
            if spaces is None
            else matches(spaces, everything.namespaces.get(pod.namespace, {}))
        )
        and matches(chosen, pod.labels)
    )


def block(given: Mapping[str, Any]) -> tuple[IPv4Network, ...]:
    """An ipBlock without its exceptions; of IPv6 nothing, as the cluster has none."""
    whole = ip_network(given["cidr"], strict=False)
    if not isinstance(whole, IPv4Network):
        return ()
    left = [whole]
    for text in given.get("except") or ():
        hole = ip_network(text, strict=False)
        if isinstance(hole, IPv4Network):
            left = [part for one in left for part in _without(one, hole)]
    return tuple(collapse_addresses(left))


def _without(whole: IPv4Network, hole: IPv4Network) -> tuple[IPv4Network, ...]:
    if whole.subnet_of(hole):
        return ()
    return tuple(whole.address_exclude(hole)) if hole.subnet_of(whole) else (whole,)
