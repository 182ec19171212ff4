"""Which pods NetworkPolicies isolate, and what each of them lets through all the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, collapse_addresses
from typing import Any

from .selectors import EVERYWHERE, Pod, Population, block, matches, pods_of

INGRESS, EGRESS = "Ingress", "Egress"
LAST_PORT = 65535


@dataclass(frozen=True, order=True)
class Ports:
    """Ports of a protocol, from the first to the last."""

    protocol: str
    first: int
    last: int


@dataclass(frozen=True)
class Opening:
    """Traffic that is let through: with these addresses on the other side, to these ports."""

    networks: tuple[IPv4Network, ...]
    ports: tuple[Ports, ...] | None
    """None: every port of every protocol."""

    def lets(self, other: IPv4Address, protocol: str, port: int) -> bool:
        """Whether a connection is among them."""
        if not any(other in one for one in self.networks):
            return False
        return self.ports is None or any(
            one.protocol == protocol and one.first <= port <= one.last for one in self.ports
        )


@dataclass(frozen=True)
class Isolated:
    """A pod that is shut in one direction but for some openings."""

    pod: Pod
    direction: str
    openings: tuple[Opening, ...]


def isolated(policies: Iterable[Mapping[str, Any]], everything: Population) -> list[Isolated]:
    """Every pod that a policy selects, once a direction; policies add to each other and never take away."""
    listed = list(policies)
    found = []
    for pod in everything.pods:
        for direction in (INGRESS, EGRESS):
            about = [one for one in listed if direction in _types(one["spec"]) and _selects(one, pod)]
            if about:
                openings = [opening for one in about for opening in _openings(one, pod, direction, everything)]
                found.append(Isolated(pod, direction, tuple(dict.fromkeys(openings))))
    return found


def allows(shut: Iterable[Isolated], source: IPv4Address, to: IPv4Address, protocol: str, port: int) -> bool:
    """Whether a connection between two addresses passes: both ends must let it through; a pod reaches itself."""
    if source == to:
        return True
    for one in shut:
        at, other = (to, source) if one.direction == INGRESS else (source, to)
        if one.pod.address == at and not any(opening.lets(other, protocol, port) for opening in one.openings):
            return False
    return True


def _types(spec: Mapping[str, Any]) -> Sequence[str]:
    """The directions of a policy: without `policyTypes` ingress, and egress if it has such rules."""
    return spec.get("policyTypes") or ([INGRESS, EGRESS] if spec.get("egress") else [INGRESS])


def _selects(policy: Mapping[str, Any], pod: Pod) -> bool:
    return policy["metadata"]["namespace"] == pod.namespace and matches(policy["spec"]["podSelector"], pod.labels)


def _openings(policy: Mapping[str, Any], pod: Pod, direction: str, everything: Population) -> list[Opening]:
    inwards = direction == INGRESS
    rules = policy["spec"].get("ingress" if inwards else "egress") or ()
    found = []
    for rule in rules:
        peers = rule.get("from" if inwards else "to") or ()
        networks = _networks(peers, policy["metadata"]["namespace"], everything)
        named = [one for one in rule.get("ports") or () if isinstance(one.get("port"), str)]
        numbered = [one for one in rule.get("ports") or () if not isinstance(one.get("port"), str)]
        if not rule.get("ports"):
            found.append(Opening(networks, None))
        if numbered:
            found.append(Opening(networks, _merged(_numbered(one) for one in numbered)))
        # A name is that of the pod which is reached: ours inwards, the peer's outwards.
        reached = [pod] if inwards else _peers(peers, policy["metadata"]["namespace"], everything)
        for one in reached:
            ports = _merged(ports for given in named for ports in _named(given, one))
            if ports:
                found.append(Opening(networks if inwards else (one.network,), ports))
    return [one for one in found if one.networks]


def _networks(peers: Sequence[Mapping[str, Any]], namespace: str, everything: Population) -> tuple[IPv4Network, ...]:
    if not peers:
        return EVERYWHERE
    blocks = [part for peer in peers if "ipBlock" in peer for part in block(peer["ipBlock"])]
    pods = [pod.network for peer in peers if "ipBlock" not in peer for pod in pods_of(peer, namespace, everything)]
    return tuple(collapse_addresses([*blocks, *pods]))


def _peers(peers: Sequence[Mapping[str, Any]], namespace: str, everything: Population) -> Sequence[Pod]:
    """Pods with names for ports; an address has none."""
    if not peers:
        return everything.pods
    return [pod for peer in peers if "ipBlock" not in peer for pod in pods_of(peer, namespace, everything)]


def _numbered(given: Mapping[str, Any]) -> Ports:
    protocol = given.get("protocol") or "TCP"
    first = given.get("port")
    if first is None:
        return Ports(protocol, 0, LAST_PORT)
    return Ports(protocol, first, given.get("endPort") or first)


def _named(given: Mapping[str, Any], pod: Pod) -> list[Ports]:
    protocol = given.get("protocol") or "TCP"
    number = pod.ports.get((protocol, given["port"]))
    return [] if number is None else [Ports(protocol, number, number)]


def _merged(given: Iterable[Ports]) -> tuple[Ports, ...]:
    """The same ports without overlaps, which nftables refuses within a set."""
    merged: list[Ports] = []
    for one in sorted(given):
        if merged and merged[-1].protocol == one.protocol and one.first <= merged[-1].last + 1:
            merged[-1] = Ports(one.protocol, merged[-1].first, max(merged[-1].last, one.last))
        else:
            merged.append(one)
    return tuple(merged)
