"""The arrows of the architecture as packets: who may connect to whom, on which port. Everything else is shut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PORTS = (53, 443, 5432, 6379, 6443, 8000, 8001, 8080, 8081, 8182, 8282, 8443, 8444)
TCP, UDP = "TCP", "UDP"


@dataclass(frozen=True, order=True)
class Probe:
    """One connection that could be tried."""

    source: str
    to: str
    port: int
    protocol: str = TCP


def _ours(name: str, component: str = "service") -> dict[str, Any]:
    labels = {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/instance": "amas",
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": "amas",
    }
    return _pod("amas", labels)


def _pod(namespace: str, labels: dict[str, str]) -> dict[str, Any]:
    return {
        "namespace": namespace,
        "namespaceLabels": {"kubernetes.io/metadata.name": namespace},
        "podLabels": labels,
        "ip": "10.244.0.9",
    }


PEERS: dict[str, dict[str, Any]] = {
    **{name: _ours(name) for name in ("gateway", "orchestrator", "ai-router", "audit")},
    **{f"{name}-migrate": _ours(name, "migration") for name in ("orchestrator", "ai-router", "audit")},
    **{f"audit-{job}": _ours("audit", job) for job in ("archive", "archive-drop")},
    "setup": _ours("amas", "setup"),
    "test": _ours("amas", "test"),
    **{
        name: _pod("amas-deps", {"app.kubernetes.io/name": name})
        for name in ("postgres", "valkey", "issuer", "scripted-model", "mcp-workspace")
    },
    "dns": _pod("kube-system", {"k8s-app": "kube-dns"}),
    "prometheus": _pod("monitoring", {"app.kubernetes.io/name": "prometheus"}),
    "neighbour": _pod("amas", {"app": "neighbour"}),
    "stranger": _pod("elsewhere", {"app.kubernetes.io/name": "orchestrator", "app.kubernetes.io/instance": "amas"}),
    "api-server": {"ip": "192.0.2.10"},
    "internet": {"ip": "198.51.100.7"},
}
OURS = tuple(name for name, peer in PEERS.items() if peer.get("podLabels", {}).get("app.kubernetes.io/part-of"))
_SERVING = ("gateway", "orchestrator", "ai-router", "audit")
_WITH_SIDECAR = ("orchestrator", "ai-router")


def _arrows() -> set[Probe]:
    inside = {
        ("gateway", "orchestrator"), ("gateway", "ai-router"), ("gateway", "audit"),
        ("orchestrator", "ai-router"), ("orchestrator", "audit"), ("ai-router", "audit"),
    }  # fmt: skip
    found = {Probe(source, to, 8443) for source, to in inside}
    found |= {Probe(source, "postgres", 5432) for source in ("orchestrator", "ai-router", "audit", "setup")}
    found |= {Probe(f"{source}-migrate", "postgres", 5432) for source in ("orchestrator", "ai-router", "audit")}
    found |= {Probe(f"audit-{job}", "postgres", 5432) for job in ("archive", "archive-drop")}
    found |= {Probe(source, "valkey", 6379) for source in ("gateway", "orchestrator", "ai-router")}
    found |= {Probe("gateway", "issuer", 8443), Probe("test", "issuer", 8443), Probe("setup", "api-server", 6443)}
    # Tools are reached by the policy-sidecar of an orchestrator alone; providers by the ai-router alone.
    found |= {Probe("orchestrator", "mcp-workspace", 8080), Probe("ai-router", "scripted-model", 8080)}
    found |= {Probe(source, "dns", 53, protocol) for source in OURS for protocol in (TCP, UDP)}
    found |= {Probe("prometheus", to, 8080) for to in _SERVING}
    found |= {Probe("prometheus", to, port) for to in _WITH_SIDECAR for port in (8081, 8282)}
    # Everybody may come to the edge, who may leave where they are; of our own pods the test alone.
    outside = [name for name in PEERS if name not in OURS] + ["test"]
    found |= {Probe(source, "gateway", port) for source in outside for port in (8000, 8001)}
    return found


ARROWS = frozenset(_arrows())


def probes() -> list[Probe]:
    """Every connection from or to one of our pods that is worth a look. Traffic among others is not ours to judge."""
    pairs = [(a, b) for a in PEERS for b in PEERS if a != b and (a in OURS or b in OURS)]
    tcp = [Probe(source, to, port) for source, to in pairs for port in PORTS]
    return sorted({*tcp, *(Probe(source, to, 53, UDP) for source, to in pairs)})
