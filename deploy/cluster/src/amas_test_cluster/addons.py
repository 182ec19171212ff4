"""What runs on top of the control plane: CoreDNS, Argo Rollouts, Prometheus, KEDA. Controllers are host processes."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from .addresses import DNS_SERVICE_IP, NODE_IP, PROMETHEUS_ADDRESS
from .build import Builds
from .components import DEFINITIONS_MODULE, KEDA_MODULE, ROLLOUTS_MODULE
from .control_plane import answers
from .files import render, write_json
from .kubectl import Kubectl
from .layout import Layout
from .monitors import configuration
from .node import COREDNS_IMAGE
from .processes import Processes
from .waiting import until

DNS_READY_S = 60
ESTABLISHED_S = 30
PROMETHEUS_READY_S = 30
ROLLOUTS_READY_S = 30
KEDA_READY_S = 90
PARTS = ("rollouts-controller", "prometheus", "follow-monitors", "keda-operator", "keda-adapter")


def start_dns(layout: Layout, kubectl: Kubectl) -> None:
    """CoreDNS in the cluster, which answers for the cluster's names and asks nobody else."""
    kubectl.apply(render(layout.manifests / "coredns.yaml", image=COREDNS_IMAGE, address=DNS_SERVICE_IP))


def wait_for_dns(kubectl: Kubectl) -> None:
    """Waits until names are answered."""
    kubectl.wait_rollout("kube-system", "deployment/coredns", DNS_READY_S)


def apply_definitions(builds: Builds, kubectl: Kubectl) -> None:
    """The custom resources of Argo Rollouts, KEDA and the Prometheus Operator."""
    for module in (ROLLOUTS_MODULE, DEFINITIONS_MODULE, KEDA_MODULE):
        if builds.definitions(module).is_dir():
            kubectl.apply_files(builds.definitions(module))
    kubectl.wait("condition=Established", ESTABLISHED_S, "crd", "--all")


def start_rollouts(layout: Layout, builds: Builds, processes: Processes, kubectl: Kubectl) -> None:
    """Argo Rollouts' controller."""
    kubectl.apply((layout.manifests / "namespaces.yaml").read_text())
    processes.start(
        "rollouts-controller",
        [
            builds.program("rollouts-controller"),
            f"--kubeconfig={layout.kubeconfig}",
            "--namespace=argo-rollouts",
            "--leader-elect=false",
            "--loglevel=info",
            "--healthzPort=18080",
            "--metricsPort=18090",
        ],
    )


def wait_for_rollouts(processes: Processes) -> None:
    """Waits until the controller says that it works."""
    until(
        lambda: answers("http://127.0.0.1:18080/healthz"),
        ROLLOUTS_READY_S,
        lambda: processes.why("rollouts-controller", "the Rollouts controller did not answer"),
    )


def start_prometheus(layout: Layout, builds: Builds, processes: Processes) -> None:
    """Prometheus on loopback, and what keeps it after the PodMonitors."""
    path = layout.config / "prometheus.json"
    if not path.exists():
        write_json(path, configuration([], str(layout.kubeconfig)), 0o600)
    processes.start(
        "prometheus",
        [
            builds.program("prometheus"),
            f"--config.file={path}",
            f"--storage.tsdb.path={layout.state}/prometheus",
            "--storage.tsdb.retention.time=1d",
            f"--web.listen-address={PROMETHEUS_ADDRESS}",
            "--web.enable-lifecycle",
            "--scrape.discovery-reload-interval=1s",
            "--log.level=warn",
        ],
    )
    until(
        lambda: answers(f"http://{PROMETHEUS_ADDRESS}/-/ready"),
        PROMETHEUS_READY_S,
        lambda: processes.why("prometheus", "Prometheus was not ready"),
    )
    processes.start("follow-monitors", [sys.executable, "-P", "-m", "amas_test_cluster", "follow-monitors"])


def start_keda(layout: Layout, builds: Builds, processes: Processes, kubectl: Kubectl) -> None:
    """KEDA's operator and its metrics adapter, which the API server reaches by an APIService."""
    certificates = layout.state / "keda-certificates"
    certificates.mkdir(mode=0o700, exist_ok=True)
    for name, file in (("ca.crt", "ca.crt"), ("tls.crt", "keda.crt"), ("tls.key", "keda.key")):
        shutil.copyfile(layout.pki / file, certificates / name)
    (certificates / "tls.key").chmod(0o600)
    kubectl.apply(render(layout.manifests / "keda.yaml", node_ip=NODE_IP))
    environment = {"POD_NAMESPACE": "keda", "KEDA_CLUSTER_OBJECT_NAMESPACE": "keda", "WATCH_NAMESPACE": ""}
    processes.start("keda-operator", [builds.program("operator"), *_keda_operator(layout, certificates)], environment)
    processes.start("keda-adapter", [builds.program("adapter"), *_keda_adapter(layout, certificates)], environment)


def wait_for_keda(processes: Processes, kubectl: Kubectl) -> None:
    """Waits until external metrics can be asked for."""
    service = ("apiservice/v1beta1.external.metrics.k8s.io", "--timeout=1s")
    until(
        lambda: kubectl.succeeds("wait", "--for=condition=Available", *service),
        KEDA_READY_S,
        lambda: processes.why("keda-adapter", "the API of external metrics was not available"),
    )


def _keda_operator(layout: Layout, certificates: Path) -> list[str]:
    return [
        f"--kubeconfig={layout.kubeconfig}",
        "--leader-elect=false",
        "--metrics-bind-address=127.0.0.1:18081",
        "--health-probe-bind-address=127.0.0.1:18082",
        "--metrics-service-bind-address=127.0.0.1:9666",
        f"--cert-dir={certificates}",
    ]


def _keda_adapter(layout: Layout, certificates: Path) -> list[str]:
    kubeconfig = layout.kubeconfig
    return [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--lister-kubeconfig={kubeconfig}",
        f"--bind-address={NODE_IP}",
        "--secure-port=6444",
        "--port=18083",
        f"--cert-dir={certificates}",
        f"--client-ca-file={layout.pki}/ca.crt",
        "--metrics-service-address=127.0.0.1:9666",
    ]
