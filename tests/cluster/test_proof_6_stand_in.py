"""Proof 6: what stands in for a policy engine decides as cyclonus does, on policies that nobody thought up."""

from __future__ import annotations

import random
from ipaddress import IPv4Address
from typing import Any

import pytest
from amas_test_cluster.netpol.isolation import allows, isolated
from amas_test_cluster.netpol.selectors import Pod, Population

from .netpol.analyzer import Analyzer
from .summary import Summary

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]
SEED = 45
SETS = 150
"""Of one to four policies each; the analyzer is started once for each."""
NAMES = {("TCP", 8080): "http", ("UDP", 53): "dns", ("TCP", 9090): ""}
PORTS = {(protocol, name): port for (protocol, port), name in NAMES.items() if name}
NAMESPACES = {"shop": {"kind": "ours", "zone": "a"}, "away": {"kind": "theirs"}}
LABELS = (
    {"side": "left", "app": "web"},
    {"side": "right", "app": "web", "tier": "front"},
    {"side": "left", "app": "api", "tier": "back"},
    {"side": "right"},
)
PODS = {
    f"{space}-{number}": Pod(space, f"p{number}", IPv4Address(f"10.243.{at}.{number + 2}"), labels, PORTS)
    for at, space in enumerate(NAMESPACES)
    for number, labels in enumerate(LABELS)
}
PEERS = {
    name: {
        "namespace": pod.namespace,
        "namespaceLabels": NAMESPACES[pod.namespace],
        "podLabels": pod.labels,
        "ip": str(pod.address),
    }
    for name, pod in PODS.items()
}
EXPRESSIONS = (
    {"key": "tier", "operator": "Exists"},
    {"key": "tier", "operator": "DoesNotExist"},
    {"key": "app", "operator": "In", "values": ["api", "other"]},
    # Of a label that every pod has: where there is none, NotIn holds in Kubernetes, and does not in cyclonus 0.5.6.
    {"key": "side", "operator": "NotIn", "values": ["left"]},
)
SPACES = (
    {},
    {"matchLabels": {"kind": "theirs"}},
    {"matchExpressions": [{"key": "zone", "operator": "Exists"}]},
    {"matchExpressions": [{"key": "kind", "operator": "In", "values": ["ours", "other"]}]},
)
BLOCKS = (
    {"cidr": "10.243.0.0/16"},
    {"cidr": "10.243.0.0/24", "except": ["10.243.0.2/31"]},
    {"cidr": "10.243.1.3/32"},
    {"cidr": "0.0.0.0/0", "except": ["10.243.1.0/24", "10.243.0.4/32"]},
)
NUMBERED = (
    {"protocol": "TCP", "port": 8080},
    {"protocol": "UDP", "port": 53},
    {"protocol": "TCP", "port": 8000, "endPort": 9000},
    {"protocol": "UDP"},
)
NAMED = ({"protocol": "TCP", "port": "http"}, {"protocol": "UDP", "port": "dns"})


def test_the_stand_in_decides_as_cyclonus_does(summary: Summary):
    """Every pair of pods on every port, for each set of policies; both answers occur."""
    with summary.proof("6 stand-in", "the rendering decides as cyclonus does on random policies") as proof:
        draw = random.Random(SEED)  # noqa: S311 -- draws test cases, which the seed names
        analyzer, everything = Analyzer(), Population(tuple(PODS.values()), NAMESPACES)
        asked = [
            {"from": a, "to": b, "port": port, "portName": name, "protocol": protocol}
            for a in PODS
            for b in PODS
            if a != b
            for (protocol, port), name in NAMES.items()
        ]
        counts = {True: 0, False: 0}
        for _ in range(SETS):
            policies = [_policy(draw) for _ in range(draw.randint(1, 4))]
            shut = isolated(policies, everything)
            theirs = analyzer.allowed(policies, PEERS, asked)
            for question, answer in zip(asked, theirs, strict=True):
                source, to = PODS[question["from"]].address, PODS[question["to"]].address
                assert allows(shut, source, to, question["protocol"], question["port"]) is answer, (question, policies)
                counts[answer] += 1
        proof.note(policy_sets=SETS, open=counts[True], shut=counts[False], by="cyclonus analyzer", seed=SEED)
        assert all(counts.values())


def _policy(draw: random.Random) -> dict[str, Any]:
    types = draw.choice([["Ingress"], ["Egress"], ["Ingress", "Egress"]])
    spec: dict[str, Any] = {"podSelector": _selector(draw), "policyTypes": types}
    for kind, rules, side in (("Ingress", "ingress", "from"), ("Egress", "egress", "to")):
        if kind in types:
            spec[rules] = [_rule(draw, side) for _ in range(draw.randint(0, 3))]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": f"p{draw.getrandbits(32)}", "namespace": draw.choice(list(NAMESPACES))},
        "spec": spec,
    }


def _rule(draw: random.Random, side: str) -> dict[str, Any]:
    rule: dict[str, Any] = {}
    if draw.random() < 0.8:
        rule[side] = [_peer(draw) for _ in range(draw.randint(1, 2))]
    if draw.random() < 0.7:
        # A block of addresses has no names for ports: Kubernetes does not say what one means there.
        known = NUMBERED if side == "to" and any("ipBlock" in one for one in rule.get(side, ())) else NUMBERED + NAMED
        rule["ports"] = draw.sample(known, draw.randint(1, 2))
    return rule


def _peer(draw: random.Random) -> dict[str, Any]:
    kind = draw.randrange(4)
    if kind == 0:
        return {"ipBlock": draw.choice(BLOCKS)}
    peer = {}
    if kind != 1:
        peer["podSelector"] = _selector(draw)
    if kind != 2:
        peer["namespaceSelector"] = draw.choice(SPACES)
    return peer


def _selector(draw: random.Random) -> dict[str, Any]:
    selector: dict[str, Any] = {}
    if draw.random() < 0.4:
        selector["matchLabels"] = draw.choice([{"app": "web"}, {"tier": "back"}])
    if draw.random() < 0.4:
        selector["matchExpressions"] = [draw.choice(EXPRESSIONS)]
    return selector
