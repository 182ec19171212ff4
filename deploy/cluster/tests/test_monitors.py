"""Scrape jobs say exactly what PodMonitors say."""

from __future__ import annotations

import re
from typing import Any

import pytest
from amas_test_cluster.errors import ClusterError
from amas_test_cluster.monitors import configuration


def monitor(**spec: Any) -> dict[str, Any]:
    """A PodMonitor of the namespace `amas`."""
    spec.setdefault("podMetricsEndpoints", [{"port": "http-metrics"}])
    return {"metadata": {"namespace": "amas", "name": "orchestrator"}, "spec": spec}


def job(**spec: Any) -> dict[str, Any]:
    """The only scrape job of a PodMonitor."""
    (only,) = configuration([monitor(**spec)], "/k")["scrape_configs"]
    found: dict[str, Any] = only
    return found


def scraped(rules: list[dict[str, Any]], labels: dict[str, str]) -> bool:
    """Whether a target passes, by Prometheus's rules (expressions are anchored, missing labels empty)."""
    for rule in rules:
        value = ";".join(labels.get(source, "") for source in rule["source_labels"])
        matches = re.fullmatch(rule.get("regex", "(.*)"), value) is not None
        if (rule.get("action") == "keep" and not matches) or (rule.get("action") == "drop" and matches):
            return False
    return True


TARGET = {"__meta_kubernetes_pod_container_port_name": "http-metrics", "__meta_kubernetes_pod_phase": "Running"}


def test_series_carry_what_analyses_ask_for() -> None:
    """Namespace, pod, container, app and the hash of the pod's template are labels of every series."""
    labels = {
        rule["target_label"]: rule["source_labels"] for rule in job()["relabel_configs"] if "target_label" in rule
    }
    assert set(labels) == {"namespace", "pod", "container", "app", "rollouts_pod_template_hash"}
    assert labels["rollouts_pod_template_hash"] == ["__meta_kubernetes_pod_label_rollouts_pod_template_hash"]


def test_only_its_own_namespace_unless_others_are_named() -> None:
    """A monitor reaches no other namespace by default."""

    def names(**spec: Any) -> Any:
        return job(**spec)["kubernetes_sd_configs"][0].get("namespaces")

    assert names() == {"names": ["amas"]}
    assert names(namespaceSelector={"matchNames": ["a", "b"]}) == {"names": ["a", "b"]}
    assert names(namespaceSelector={"any": True}) is None


@pytest.mark.parametrize(
    ("selector", "labels", "expected"),
    [
        ({"matchLabels": {"app.kubernetes.io/name": "audit"}}, {"app_kubernetes_io_name": "audit"}, True),
        ({"matchLabels": {"app.kubernetes.io/name": "audit"}}, {"app_kubernetes_io_name": "audit2"}, False),
        ({"matchLabels": {"v": "1.2"}}, {"v": "1x2"}, False),
        ({"matchExpressions": [{"key": "v", "operator": "In", "values": ["a", "b"]}]}, {"v": "b"}, True),
        ({"matchExpressions": [{"key": "v", "operator": "In", "values": ["a", "b"]}]}, {"v": "c"}, False),
        ({"matchExpressions": [{"key": "v", "operator": "NotIn", "values": ["a"]}]}, {"v": "a"}, False),
        ({"matchExpressions": [{"key": "v", "operator": "NotIn", "values": ["a"]}]}, {}, True),
        ({"matchExpressions": [{"key": "v", "operator": "Exists"}]}, {"v": ""}, True),
        ({"matchExpressions": [{"key": "v", "operator": "Exists"}]}, {}, False),
        ({"matchExpressions": [{"key": "v", "operator": "DoesNotExist"}]}, {"v": "x"}, False),
        ({}, {}, True),
    ],
)
def test_a_selector_chooses_as_kubernetes_does(
    selector: dict[str, Any], labels: dict[str, str], expected: bool
) -> None:
    """Each operator of a label selector keeps and drops the pods that it names."""
    target = dict(TARGET)
    for name, value in labels.items():
        target[f"__meta_kubernetes_pod_label_{name}"] = value
        target[f"__meta_kubernetes_pod_labelpresent_{name}"] = "true"
    assert scraped(job(selector=selector)["relabel_configs"], target) is expected


def test_only_the_named_port_of_running_pods() -> None:
    """Other ports, and pods that have ended, are not scraped."""
    rules = job()["relabel_configs"]
    assert scraped(rules, TARGET)
    assert not scraped(rules, {**TARGET, "__meta_kubernetes_pod_container_port_name": "grpc"})
    assert not scraped(rules, {**TARGET, "__meta_kubernetes_pod_phase": "Succeeded"})


def test_a_monitors_own_relabellings_come_last() -> None:
    """They are Prometheus's under its own names, so that a chart can add labels or drop targets."""
    own = [{"sourceLabels": ["a"], "targetLabel": "b"}, {"sourceLabels": ["c"], "regex": "x", "action": "Drop"}]
    rules = job(podMetricsEndpoints=[{"port": "x", "relabelings": own}])["relabel_configs"]
    assert rules[-2:] == [
        {"source_labels": ["a"], "target_label": "b"},
        {"source_labels": ["c"], "regex": "x", "action": "drop"},
    ]


def test_what_is_not_understood_is_refused() -> None:
    """A monitor never silently scrapes something else than it says."""
    with pytest.raises(ClusterError, match=r"amas/orchestrator, endpoint 0: tlsConfig is not understood"):
        job(podMetricsEndpoints=[{"port": "x", "tlsConfig": {}}])
    with pytest.raises(ClusterError, match=r"endpoint 0: relabelings: sourceLabel is not understood"):
        job(podMetricsEndpoints=[{"port": "x", "relabelings": [{"sourceLabel": "a"}]}])
    with pytest.raises(ClusterError, match="port is missing"):
        job(podMetricsEndpoints=[{"path": "/metrics"}])
