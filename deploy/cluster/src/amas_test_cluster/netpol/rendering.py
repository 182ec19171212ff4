"""Isolated pods as one table of nftables (nft(8)).

Looked at are packets on their way to another pod, after kube-proxy has put a pod's address in the place of a Service's,
and packets to the node. What the node itself sends to a pod passes, as Kubernetes prescribes for the kubelet's probes;
so does whatever belongs to a connection that was let through. Everything else that no opening names is dropped and
counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .isolation import EGRESS, INGRESS, Isolated, Opening, Ports

TABLE = "amas_netpol"
FAMILY = "inet"
# After the rules that keep pods from leaving the machine (-10), before kube-proxy's filters (0 and later).
PRIORITY = -5
_CHAINS = {INGRESS: "in", EGRESS: "out"}


def render(shut: Sequence[Isolated], table: str = TABLE) -> str:
    """A script for `nft -f` that puts the table in the place of the one that is there, in one step."""
    name = f"{FAMILY} {table}"
    lines = [f"table {name}", f"delete table {name}", f"table {name} {{"]
    for number, one in enumerate(shut):
        lines += _chain(number, one)
    outwards, inwards = _jumps(shut, EGRESS, "saddr"), _jumps(shut, INGRESS, "daddr")
    lines += _base("forward", [*_to_itself(shut), *outwards, *inwards])
    lines += _base("input", outwards)
    return "\n".join([*lines, "}", ""])


def _base(hook: str, rules: Iterable[str]) -> list[str]:
    said = [
        f"type filter hook {hook} priority {PRIORITY}; policy accept;",
        "ct state established,related accept",
        *rules,
    ]
    return [f"  chain {hook} {{", *(f"    {line}" for line in said), "  }"]


def _to_itself(shut: Sequence[Isolated]) -> list[str]:
    """A pod reaches itself, by a Service's address too."""
    own = sorted({one.pod.address for one in shut})
    return [f"ip saddr . ip daddr {{ {', '.join(f'{one} . {one}' for one in own)} }} accept"] if own else []


def _jumps(shut: Sequence[Isolated], direction: str, side: str) -> list[str]:
    chosen = [
        f"{one.pod.address} : jump {_name(number, one)}"
        for number, one in enumerate(shut)
        if one.direction == direction
    ]
    return [f"ip {side} vmap {{ {', '.join(chosen)} }}"] if chosen else []


def _chain(number: int, one: Isolated) -> list[str]:
    side = "saddr" if one.direction == INGRESS else "daddr"
    rules = [rule for opening in one.openings for rule in _rules(opening, side)]
    return [
        f"  # {one.direction} of {one.pod.namespace}/{one.pod.name}",
        f"  chain {_name(number, one)} {{",
        *(f"    {rule}" for rule in rules),
        "    counter drop",
        "  }",
    ]


def _name(number: int, one: Isolated) -> str:
    return f"{_CHAINS[one.direction]}-{number}"


def _rules(opening: Opening, side: str) -> list[str]:
    others = f"ip {side} {{ {', '.join(map(str, opening.networks))} }}"
    if opening.ports is None:
        return [f"{others} return"]
    protocols = sorted({one.protocol for one in opening.ports})
    return [
        f"{others} {protocol.lower()} dport {{ {_numbers(opening.ports, protocol)} }} return" for protocol in protocols
    ]


def _numbers(ports: Sequence[Ports], protocol: str) -> str:
    chosen = [one for one in ports if one.protocol == protocol]
    return ", ".join(str(one.first) if one.first == one.last else f"{one.first}-{one.last}" for one in chosen)
