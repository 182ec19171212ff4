"""The release's workloads, and what is true of all of them when it stands."""

from __future__ import annotations

from .kube import Kube, is_ready
from .rollouts import ROLLOUTS, seen

SERVICES = ("gateway", "orchestrator", "ai-router", "audit")


def selector(service: str) -> str:
    """Pods that serve."""
    return f"app.kubernetes.io/name={service},app.kubernetes.io/component=service"


def not_ready(kube: Kube) -> list[str]:
    """Names of services without pods, and of pods that are not ready."""
    found = []
    for service in SERVICES:
        pods = kube.pods(selector(service))
        found += [pod["metadata"]["name"] for pod in pods if not is_ready(pod)] if pods else [service]
    return found


def unsettled(kube: Kube, release: str) -> list[str]:
    """Rollouts that are not healthy in their newest revision, and why."""
    states = [(service, seen(kube.get(ROLLOUTS, f"{release}-{service}"), 0)) for service in SERVICES]
    return [f"{service}: {state.told()}" for service, state in states if not state.promoted]


def images(kube: Kube, service: str) -> set[str]:
    """Images of the service's own container in its pods."""
    pods = kube.pods(selector(service))
    return {
        container["image"] for pod in pods for container in pod["spec"]["containers"] if container["name"] == service
    }
