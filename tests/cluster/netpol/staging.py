"""The chart's own NetworkPolicies, moved to namespaces in which only probes run: names change, and nothing else."""

from __future__ import annotations

import copy
from typing import Any

import yaml

from .matrix import PEERS

NAME_LABEL = "kubernetes.io/metadata.name"
PREFIX = "amas-probe"
# Where the peers of a namespace stand for the probes.
NAMESPACES = {
    "amas": PREFIX,
    "amas-deps": f"{PREFIX}-deps",
    "kube-system": f"{PREFIX}-dns",
    "monitoring": f"{PREFIX}-monitoring",
    "elsewhere": f"{PREFIX}-elsewhere",
}
API_SERVER = "api-server"
CONTROL = "amas-probe-deny-all"


def moved(policies: list[dict[str, Any]], api_server: str) -> list[dict[str, Any]]:
    """The policies with the probes' namespaces and the API server's real address in the places of the matrix's."""
    names = {f"{PEERS[API_SERVER]['ip']}/32": f"{api_server}/32"}
    found: list[dict[str, Any]] = _renamed(copy.deepcopy(policies), names)
    for policy in found:
        meta = policy["metadata"]
        policy["metadata"] = {"name": meta["name"], "namespace": NAMESPACES[meta["namespace"]]}
    return found


def _renamed(given: Any, blocks: dict[str, str]) -> Any:
    if isinstance(given, list):
        return [_renamed(one, blocks) for one in given]
    if not isinstance(given, dict):
        return given
    known = {NAME_LABEL: NAMESPACES, "cidr": blocks}
    return {key: known[key].get(one, one) if key in known else _renamed(one, blocks) for key, one in given.items()}


def deny_all() -> dict[str, Any]:
    """Shuts every pod that stands for one of ours: shows whether anything enforces policies at all."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": CONTROL, "namespace": PREFIX},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    }


def manifest(*objects: dict[str, Any]) -> str:
    """Objects as YAML."""
    return yaml.safe_dump_all(objects)
