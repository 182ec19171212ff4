"""Isolation and openings are those of the NetworkPolicy documentation."""

from __future__ import annotations

from typing import Any

import pytest

from .world import egress, ingress, open_to, policy, reaches, shut

EVERYBODY = ["web", "store", "far"]


def test_without_a_policy_everything_is_open() -> None:
    """A pod that no policy selects is not isolated."""
    assert open_to("api") == EVERYBODY


def test_a_policy_without_rules_shuts() -> None:
    """Only the pods that it selects, only in its directions."""
    assert open_to("api", ingress()) == []
    assert open_to("store", ingress()) == ["web", "api", "far"]
    assert open_to("api", egress()) == ["store", "far"]


def test_directions_that_are_not_named() -> None:
    """Ingress always, egress if there are such rules."""
    deny = policy({"podSelector": {"matchLabels": {"app": "web"}}})
    assert {one.direction for one in shut(deny)} == {"Ingress"}
    both = policy({"podSelector": {"matchLabels": {"app": "web"}}, "egress": [{}]})
    assert {one.direction for one in shut(both)} == {"Ingress", "Egress"}


@pytest.mark.parametrize(
    ("peer", "who"),
    [
        ({"podSelector": {}}, ["web", "store"]),
        ({"podSelector": {"matchLabels": {"app": "web"}}}, ["web"]),
        ({"namespaceSelector": {}}, EVERYBODY),
        ({"namespaceSelector": {"matchLabels": {"kind": "theirs"}}}, ["far"]),
        ({"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "web"}}}, ["web", "far"]),
        ({"ipBlock": {"cidr": "10.243.0.4/32"}}, ["store"]),
        ({"ipBlock": {"cidr": "10.243.0.0/24", "except": ["10.243.0.4/31"]}}, ["web"]),
    ],
)
def test_peers(peer: dict[str, Any], who: list[str]) -> None:
    """Without a namespaceSelector the policy's own namespace; both selectors in one peer must hold."""
    assert open_to("api", ingress({"from": [peer]})) == who


def test_peers_and_rules_and_policies_add_up() -> None:
    """One that lets through is enough."""
    web, far = (
        {"podSelector": {"matchLabels": {"app": "web"}}},
        {"namespaceSelector": {"matchLabels": {"kind": "theirs"}}},
    )
    assert open_to("api", ingress({"from": [web, far]})) == ["web", "far"]
    assert open_to("api", ingress({"from": [web]}, {"from": [far]})) == ["web", "far"]
    assert open_to("api", ingress({"from": [web]}), ingress({"from": [far]})) == ["web", "far"]
    assert open_to("api", ingress(), ingress({"from": [web]})) == ["web"]
    assert open_to("api", ingress({})) == EVERYBODY
    assert open_to("api", ingress({"from": []})) == EVERYBODY


@pytest.mark.parametrize(
    ("ports", "let"),
    [
        ([{"port": 8080}], {("TCP", 8080)}),
        ([{"port": 53, "protocol": "UDP"}], {("UDP", 53)}),
        ([{"protocol": "UDP"}], {("UDP", 53), ("UDP", 9090), ("UDP", 8080)}),
        ([{"port": 8000, "endPort": 9090}], {("TCP", 8080), ("TCP", 9090)}),
        ([{"port": "http"}], {("TCP", 8080)}),
        ([{"port": "http", "protocol": "UDP"}], {("UDP", 53)}),
        ([{"port": "nothing"}], set()),
        ([{"port": 53}, {"port": 9090}], {("TCP", 53), ("TCP", 9090)}),
    ],
)
def test_ports(ports: list[dict[str, Any]], let: set[tuple[str, int]]) -> None:
    """By number, range, protocol, or the name that the selected pod has for it."""
    rules = shut(ingress({"ports": ports}))
    every = [(protocol, port) for protocol in ("TCP", "UDP") for port in (53, 8080, 9090)]
    assert {one for one in every if reaches(rules, "web", "api", one[1], one[0])} == let


def test_a_name_on_the_way_out_is_the_peers() -> None:
    """Each pod that is reached has its own number for it; an address has none."""
    named = {"ports": [{"port": "http"}]}
    everywhere = shut(egress(named))
    assert reaches(everywhere, "web", "api", 8080)
    assert reaches(everywhere, "web", "store", 9090)
    assert not reaches(everywhere, "web", "store", 8080)
    assert not reaches(shut(egress({"to": [{"ipBlock": {"cidr": "10.243.0.3/32"}}]} | named)), "web", "api", 8080)


def test_both_ends_must_let_through() -> None:
    """Egress of the one and ingress of the other."""
    to_api = egress({"to": [{"podSelector": {"matchLabels": {"app": "api"}}}]})
    assert open_to("api", to_api, ingress()) == []
    assert open_to("api", to_api, ingress({"from": [{"podSelector": {}}]})) == ["web", "store"]
    assert open_to("store", to_api) == ["api", "far"]


def test_a_pod_reaches_itself() -> None:
    """Whatever isolates it."""
    assert reaches(shut(ingress(), policy({"policyTypes": ["Ingress", "Egress"]})), "api", "api", 8080)
