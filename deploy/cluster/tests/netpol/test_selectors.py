"""Selectors, blocks and pods are read as Kubernetes reads them."""

from __future__ import annotations

from typing import Any

import pytest
from amas_test_cluster.errors import ClusterError
from amas_test_cluster.netpol.selectors import block, matches, population

LABELS = {"app": "web", "tier": "front"}


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "web", "tier": "back"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["api", "web"]}]}, True),
        ({"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "zone", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, False),
        ({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "zone", "operator": "Exists"}]}, False),
    ],
)
def test_label_selectors(selector: dict[str, Any], fits: bool) -> None:
    """All of matchLabels and all of matchExpressions must hold; NotIn holds for a label that is not there."""
    assert matches(selector, LABELS) is fits


def test_an_operator_that_nobody_knows() -> None:
    """It is refused, not passed over: passing over would open or shut something."""
    with pytest.raises(ClusterError, match="Like"):
        matches({"matchExpressions": [{"key": "app", "operator": "Like"}]}, LABELS)


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"cidr": "10.0.0.0/8"}, ["10.0.0.0/8"]),
        ({"cidr": "10.0.0.0/30", "except": ["10.0.0.0/31"]}, ["10.0.0.2/31"]),
        ({"cidr": "10.0.0.0/30", "except": ["10.0.0.1/32", "10.0.0.2/32"]}, ["10.0.0.0/32", "10.0.0.3/32"]),
        ({"cidr": "10.0.0.0/30", "except": ["10.0.0.0/8"]}, []),
        ({"cidr": "10.0.0.0/30", "except": ["192.0.2.0/24"]}, ["10.0.0.0/30"]),
        ({"cidr": "2001:db8::/32"}, []),
    ],
)
def test_blocks(given: dict[str, Any], parts: list[str]) -> None:
    """A block without its exceptions, and nothing of IPv6."""
    assert [str(one) for one in block(given)] == parts


def test_pods_that_policies_are_about() -> None:
    """Those with an IPv4 address of their own that have not ended."""
    shown = population(
        [
            _pod("runs", podIP="10.0.0.1"),
            _pod("dual", podIPs=[{"ip": "fd00::1"}, {"ip": "10.0.0.2"}]),
            _pod("done", podIP="10.0.0.3", phase="Succeeded"),
            _pod("starts"),
            _pod("node", spec={"hostNetwork": True}, podIP="10.0.0.4"),
        ],
        [{"metadata": {"name": "shop", "labels": {"kind": "ours"}}}],
    )
    assert [(one.name, str(one.address)) for one in shown.pods] == [("runs", "10.0.0.1"), ("dual", "10.0.0.2")]
    assert shown.pods[0].ports == {("TCP", "http"): 8080, ("UDP", "dns"): 53}
    assert shown.namespaces == {"shop": {"kind": "ours"}}


def _pod(name: str, spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    ports = [{"name": "http", "containerPort": 8080}, {"containerPort": 1}]
    sidecar = [{"ports": [{"name": "dns", "containerPort": 53, "protocol": "UDP"}]}]
    containers = {"containers": [{"ports": ports}], "initContainers": sidecar}
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": containers | (spec or {}), "status": status}
