"""Follows PodMonitors: writes Prometheus's scrape jobs from them, as the Prometheus Operator would.

Only what charts commonly use is understood (selector, namespaceSelector, and of an endpoint ENDPOINT_MEMBERS); another
member of an endpoint is refused with its name, so that a monitor never silently scrapes something else than it says.
"""

from __future__ import annotations

import re
from typing import Any

from .errors import ClusterError

# Analyses of a canary count by seconds, so scrapes do too, whatever longer interval a monitor asks for.
SCRAPE_INTERVAL = "2s"
ENDPOINT_MEMBERS = {"port", "path", "scheme", "interval", "scrapeTimeout", "honorLabels", "relabelings"}
# A PodMonitor's names of a relabelling's members, and Prometheus's.
RELABELLING = {
    "sourceLabels": "source_labels",
    "separator": "separator",
    "targetLabel": "target_label",
    "regex": "regex",
    "modulus": "modulus",
    "replacement": "replacement",
    "action": "action",
}

# What every series carries: Prometheus label → label of the discovery.
LABELS = {
    "namespace": "__meta_kubernetes_namespace",
    "pod": "__meta_kubernetes_pod_name",
    "container": "__meta_kubernetes_pod_container_name",
    "app": "__meta_kubernetes_pod_label_app_kubernetes_io_name",
    "rollouts_pod_template_hash": "__meta_kubernetes_pod_label_rollouts_pod_template_hash",
}


def configuration(monitors: list[dict[str, Any]], kubeconfig: str) -> dict[str, Any]:
    """Prometheus's whole configuration for these PodMonitors."""
    jobs = [
        _job(monitor, index, endpoint, kubeconfig)
        for monitor in monitors
        for index, endpoint in enumerate(monitor["spec"].get("podMetricsEndpoints") or [])
    ]
    interval = {
        "scrape_interval": SCRAPE_INTERVAL,
        "scrape_timeout": SCRAPE_INTERVAL,
        "evaluation_interval": SCRAPE_INTERVAL,
    }
    return {"global": interval, "scrape_configs": jobs}


def _job(monitor: dict[str, Any], index: int, endpoint: dict[str, Any], kubeconfig: str) -> dict[str, Any]:
    namespace, name = monitor["metadata"]["namespace"], monitor["metadata"]["name"]
    unknown = sorted(set(endpoint) - ENDPOINT_MEMBERS)
    if unknown or "port" not in endpoint:
        problem = f"{', '.join(unknown)} is not understood" if unknown else "port is missing"
        raise ClusterError(f"PodMonitor {namespace}/{name}, endpoint {index}: {problem}")
    spec = monitor["spec"]
    discovery: dict[str, Any] = {"role": "pod", "kubeconfig_file": kubeconfig}
    chosen = spec.get("namespaceSelector") or {}
    if not chosen.get("any"):
        discovery["namespaces"] = {"names": chosen.get("matchNames") or [namespace]}
    relabel = [
        *_selector(spec.get("selector") or {}),
        _keep("__meta_kubernetes_pod_container_port_name", re.escape(endpoint["port"])),
        _keep("__meta_kubernetes_pod_phase", "Running"),
        *({"source_labels": [source], "target_label": label} for label, source in LABELS.items()),
        *(
            _relabelling(rule, f"PodMonitor {namespace}/{name}, endpoint {index}")
            for rule in endpoint.get("relabelings") or []
        ),
    ]
    return {
        "job_name": f"podMonitor/{namespace}/{name}/{index}",
        "metrics_path": endpoint.get("path", "/metrics"),
        "scheme": endpoint.get("scheme", "http").lower(),
        "honor_labels": bool(endpoint.get("honorLabels", False)),
        "kubernetes_sd_configs": [discovery],
        "relabel_configs": relabel,
    }


def _selector(selector: dict[str, Any]) -> list[dict[str, Any]]:
    rules = [_keep(_pod_label(name), re.escape(value)) for name, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or []:
        label, operator = _pod_label(expression["key"]), expression["operator"]
        values = "|".join(re.escape(value) for value in expression.get("values") or [])
        present = label.replace("_pod_label_", "_pod_labelpresent_", 1)
        choices = {
            "In": _keep(label, values),
            "NotIn": {"source_labels": [label], "regex": values, "action": "drop"},
            "Exists": _keep(present, "true"),
            "DoesNotExist": {"source_labels": [present], "regex": "true", "action": "drop"},
        }
        rules.append(choices[operator])
    return rules


def _relabelling(rule: dict[str, Any], where: str) -> dict[str, Any]:
    unknown = sorted(set(rule) - set(RELABELLING))
    if unknown:
        raise ClusterError(f"{where}: relabelings: {', '.join(unknown)} is not understood")
    translated = {RELABELLING[name]: value for name, value in rule.items()}
    # `Replace` and `replace` are both good in a PodMonitor.
    return translated | ({"action": rule["action"].lower()} if "action" in rule else {})


def _keep(label: str, regex: str) -> dict[str, Any]:
    return {"source_labels": [label], "regex": regex, "action": "keep"}


def _pod_label(name: str) -> str:
    """The discovery's name of a pod's label (what is no letter, digit or underscore becomes one)."""
    return "__meta_kubernetes_pod_label_" + re.sub(r"[^a-zA-Z0-9_]", "_", name)
