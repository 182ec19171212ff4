"""etcd, API server, controller manager and scheduler, as processes of this machine."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request

from .addresses import (
    API_PORT,
    ETCD_PEER_PORT,
    ETCD_PORT,
    NODE_IP,
    POD_RANGE,
    SERVICE_RANGE,
)
from .build import Builds
from .files import write_json
from .kubectl import Kubectl
from .layout import Layout
from .processes import Processes
from .waiting import until

ETCD_READY_S = 20
API_READY_S = 90
CONTROLLERS_READY_S = 60
CLUSTER_ISSUER = "https://kubernetes.default.svc.cluster.local"
PARTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


def start(layout: Layout, builds: Builds, processes: Processes, kubectl: Kubectl) -> None:
    """Starts the four parts, each when what it needs is ready."""
    hyper = str(builds.program("hyper"))
    data = layout.state / "etcd"
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    processes.start("etcd", [hyper, "etcd", *_etcd(str(data))])
    _healthy(processes, "etcd", f"http://127.0.0.1:{ETCD_PORT}/health", ETCD_READY_S)
    processes.start("kube-apiserver", [hyper, "kube-apiserver", *_api_server(layout)])
    until(
        lambda: bool(processes.ended(["kube-apiserver"])) or kubectl.succeeds("get", "--raw", "/readyz"),
        API_READY_S,
        lambda: processes.why("kube-apiserver", "the API server was not ready"),
    )
    processes.start("kube-controller-manager", [hyper, "kube-controller-manager", *_controller_manager(layout)])
    processes.start("kube-scheduler", [hyper, "kube-scheduler", *_component(layout, "kube-scheduler")])
    _healthy(processes, "kube-controller-manager", "https://127.0.0.1:10257/healthz", CONTROLLERS_READY_S)
    _healthy(processes, "kube-scheduler", "https://127.0.0.1:10259/healthz", CONTROLLERS_READY_S)
    until(
        lambda: kubectl.succeeds("-n", "default", "get", "serviceaccount", "default"),
        CONTROLLERS_READY_S,
        lambda: processes.why("kube-controller-manager", "no service account was made"),
    )


def _healthy(processes: Processes, name: str, url: str, seconds: float) -> None:
    until(lambda: answers(url), seconds, lambda: processes.why(name, f"{url} did not answer in {seconds:.0f} s"))


def answers(url: str) -> bool:
    """Whether an address of this machine answers with 200."""
    # Health endpoints on loopback have certificates that they signed themselves; nothing is sent or believed.
    context = ssl._create_unverified_context() if url.startswith("https") else None  # noqa: S323 -- see above
    try:
        with urllib.request.urlopen(url, timeout=2, context=context) as response:  # noqa: S310 -- our own addresses
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _etcd(data: str) -> list[str]:
    client, peer = f"http://127.0.0.1:{ETCD_PORT}", f"http://127.0.0.1:{ETCD_PEER_PORT}"
    return [
        "--name=amas",
        f"--data-dir={data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=amas={peer}",
        # The cluster is thrown away with its machine: nothing is lost that would be kept.
        "--unsafe-no-fsync",
    ]


def _api_server(layout: Layout) -> list[str]:
    pki = layout.pki
    return [
        f"--etcd-servers=http://127.0.0.1:{ETCD_PORT}",
        f"--bind-address={NODE_IP}",
        f"--advertise-address={NODE_IP}",
        f"--secure-port={API_PORT}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--admission-control-config-file={_admission(layout)}",
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--kubelet-client-certificate={pki}/kubelet-client.crt",
        f"--kubelet-client-key={pki}/kubelet-client.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-issuer={CLUSTER_ISSUER}",
        f"--service-account-key-file={pki}/service-accounts.pub",
        f"--service-account-signing-key-file={pki}/service-accounts.key",
        f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={pki}/front-proxy-client.crt",
        f"--proxy-client-key-file={pki}/front-proxy-client.key",
        "--enable-aggregator-routing=true",
    ]


def _admission(layout: Layout) -> str:
    """Pod Security for namespaces without labels of their own; the system's namespace is exempt, it needs more."""
    pod_security = {
        "apiVersion": "pod-security.admission.config.k8s.io/v1",
        "kind": "PodSecurityConfiguration",
        "defaults": {
            "enforce": "baseline",
            "enforce-version": "latest",
            "warn": "restricted",
            "warn-version": "latest",
        },
        "exemptions": {"usernames": [], "runtimeClasses": [], "namespaces": ["kube-system"]},
    }
    content = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [{"name": "PodSecurity", "configuration": pod_security}],
    }
    return str(write_json(layout.config / "admission.json", content))


def _component(layout: Layout, name: str) -> list[str]:
    kubeconfig = layout.state / f"{name}.kubeconfig"
    return [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
    ]


def _controller_manager(layout: Layout) -> list[str]:
    pki = layout.pki
    return [
        *_component(layout, "kube-controller-manager"),
        f"--root-ca-file={pki}/ca.crt",
        f"--service-account-private-key-file={pki}/service-accounts.key",
        "--use-service-account-credentials",
        f"--cluster-signing-cert-file={pki}/ca.crt",
        f"--cluster-signing-key-file={pki}/ca.key",
        "--allocate-node-cidrs=false",
        f"--cluster-cidr={POD_RANGE}",
        # Scaling is shown in seconds, not in the quarter of a minute that suits production.
        "--horizontal-pod-autoscaler-sync-period=3s",
        "--horizontal-pod-autoscaler-initial-readiness-delay=2s",
    ]
