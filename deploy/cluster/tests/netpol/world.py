"""A few pods and policies to reason about."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from amas_test_cluster.netpol.isolation import Isolated, allows, isolated
from amas_test_cluster.netpol.selectors import Pod, Population

ADDRESSES = {"web": "10.243.0.2", "api": "10.243.0.3", "store": "10.243.0.4", "far": "10.243.0.5"}
PODS = (
    Pod("shop", "web", IPv4Address(ADDRESSES["web"]), {"app": "web", "tier": "front"}),
    Pod("shop", "api", IPv4Address(ADDRESSES["api"]), {"app": "api"}, {("TCP", "http"): 8080, ("UDP", "http"): 53}),
    Pod("shop", "store", IPv4Address(ADDRESSES["store"]), {"app": "store"}, {("TCP", "http"): 9090}),
    Pod("away", "far", IPv4Address(ADDRESSES["far"]), {"app": "web"}, {("TCP", "http"): 7070}),
)
SHOP = Population(PODS, {"shop": {"kind": "ours"}, "away": {"kind": "theirs"}})


def policy(spec: dict[str, Any], namespace: str = "shop") -> dict[str, Any]:
    """A NetworkPolicy, of all pods of its namespace unless it says otherwise."""
    return {"metadata": {"name": "one", "namespace": namespace}, "spec": {"podSelector": {}, **spec}}


def ingress(*rules: dict[str, Any], selector: dict[str, Any] | None = None) -> dict[str, Any]:
    """A policy about what comes to `api`."""
    chosen = {"matchLabels": {"app": "api"}} if selector is None else selector
    return policy({"podSelector": chosen, "policyTypes": ["Ingress"], "ingress": list(rules)})


def egress(*rules: dict[str, Any]) -> dict[str, Any]:
    """A policy about what leaves `web`."""
    return policy({"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Egress"], "egress": list(rules)})


def shut(*policies: dict[str, Any]) -> list[Isolated]:
    """What the policies isolate of these pods."""
    return isolated(policies, SHOP)


def open_to(target: str, *policies: dict[str, Any], port: int = 8080, protocol: str = "TCP") -> list[str]:
    """Who reaches a pod."""
    rules = shut(*policies)
    return [one for one in ADDRESSES if one != target and reaches(rules, one, target, port, protocol)]


def reaches(rules: list[Isolated], source: str, target: str, port: int, protocol: str = "TCP") -> bool:
    """Whether one pod reaches another."""
    return allows(rules, IPv4Address(ADDRESSES[source]), IPv4Address(ADDRESSES[target]), protocol, port)
