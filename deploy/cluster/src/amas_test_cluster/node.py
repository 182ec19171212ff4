"""The node: containerd, kubelet and kube-proxy, all of whose files are below the cluster's own folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .addresses import DNS_SERVICE_IP, NODE_IP, NODE_NAME, NODE_POD_RANGE, POD_BRIDGE, POD_RANGE
from .archives import write_archive
from .build import Builds
from .commands import attempt, feed, run
from .files import render, write, write_json
from .kubectl import Kubectl
from .layout import Layout
from .merged_archive import write_merged
from .processes import Processes
from .waiting import until

CONTAINERD_READY_S = 20
NODE_READY_S = 60
# All images at once, from a slow disk.
IMPORT_TIMEOUT_S = 900.0
PAUSE_IMAGE = "registry.local/amas/pause:1"
COREDNS_IMAGE = "registry.local/amas/coredns:1"
CNI_PROGRAMS = Path("/usr/lib/cni")
PARTS = ("containerd", "kubelet", "kube-proxy")


def start_containerd(layout: Layout, builds: Builds, processes: Processes) -> None:
    """Starts containerd and gives it the two images that the cluster itself needs."""
    _write_pod_network(layout)
    configuration = render(
        layout.source / "containerd.toml",
        state=str(layout.state),
        socket=str(layout.containerd_socket),
        pause=PAUSE_IMAGE,
        cni_programs=str(CNI_PROGRAMS),
    )
    path = write(layout.config / "containerd.toml", configuration)
    processes.start("containerd", ["containerd", "--config", path])
    until(
        lambda: ctr(layout, "version").returncode == 0,
        CONTAINERD_READY_S,
        lambda: processes.why("containerd", "containerd did not answer"),
    )
    for reference, program in ((PAUSE_IMAGE, "pause"), (COREDNS_IMAGE, "coredns")):
        archive = layout.state / f"{program}.tar"
        write_archive(reference, builds.program(program), archive)
        import_images(layout, [archive])
        archive.unlink()


def start_kubelet(layout: Layout, builds: Builds, processes: Processes, kubectl: Kubectl) -> None:
    """Starts kubelet and kube-proxy, and waits until the node is ready for pods."""
    hyper = str(builds.program("hyper"))
    for folder in ("kubelet", "volume-plugins"):
        (layout.state / folder).mkdir(parents=True, exist_ok=True)
    kubelet = write_json(layout.config / "kubelet.json", kubelet_configuration(layout))
    proxy = write_json(layout.config / "kube-proxy.json", proxy_configuration(layout))
    processes.start(
        "kubelet",
        [
            hyper,
            "kubelet",
            f"--config={kubelet}",
            f"--kubeconfig={layout.state}/kubelet.kubeconfig",
            f"--hostname-override={NODE_NAME}",
            f"--node-ip={NODE_IP}",
            f"--root-dir={layout.state}/kubelet",
            f"--cert-dir={layout.state}/kubelet/pki",
        ],
    )
    processes.start("kube-proxy", [hyper, "kube-proxy", f"--config={proxy}"])
    ready = ("wait", "--for=condition=Ready", f"node/{NODE_NAME}", "--timeout=1s")
    until(
        lambda: kubectl.succeeds(*ready),
        NODE_READY_S,
        lambda: processes.why("kubelet", "the node did not become ready"),
    )


def ctr(layout: Layout, *arguments: str, timeout: float = 60.0):  # type: ignore[no-untyped-def]
    """Runs containerd's own client in the namespace of Kubernetes, whatever its exit code."""
    return attempt(_ctr(layout, *arguments), timeout=timeout)


def import_images(layout: Layout, archives: Sequence[Path]) -> None:
    """Gives containerd the images of docker archives, in one go."""
    feed(_ctr(layout, "images", "import", "-"), lambda sink: write_merged(archives, sink), timeout=IMPORT_TIMEOUT_S)


def _ctr(layout: Layout, *arguments: str) -> list[str]:
    return ["ctr", "--address", str(layout.containerd_socket), "--namespace", "k8s.io", *arguments]


def kubelet_configuration(layout: Layout) -> dict[str, object]:
    """KubeletConfiguration of the only node."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_IP,
        "healthzBindAddress": "127.0.0.1",
        # cgroup v1 is still what some machines for continuous integration have.
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{layout.pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{layout.pki}/kubelet.crt",
        "tlsPrivateKeyFile": f"{layout.pki}/kubelet.key",
        "clusterDomain": "cluster.local",
        "clusterDNS": [DNS_SERVICE_IP],
        # Pods ask CoreDNS, which asks nobody: no name beyond the cluster is resolved.
        "resolvConf": "",
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
        "volumePluginDir": f"{layout.state}/volume-plugins",
        "podLogsDir": f"{layout.state}/pod-logs",
        "oomScoreAdj": 0,
        "evictionHard": {"memory.available": "200Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        # Images cannot be pulled again: they are never collected.
        "imageGCHighThresholdPercent": 100,
        "imageMinimumGCAge": "100h",
        "maxPods": 200,
        "registerNode": True,
        "shutdownGracePeriod": "0s",
    }


def proxy_configuration(layout: Layout) -> dict[str, object]:
    """KubeProxyConfiguration; in nftables mode its rules are one table, which goes as a whole."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": f"{layout.state}/kube-proxy.kubeconfig"},
        "hostnameOverride": NODE_NAME,
        "clusterCIDR": POD_RANGE,
        "metricsBindAddress": "127.0.0.1:10249",
        "healthzBindAddress": "127.0.0.1:10256",
        # The machine's own limits stay as they are.
        "conntrack": {"maxPerCore": 0, "min": 0},
        "nftables": {"syncPeriod": "10s", "minSyncPeriod": "0s"},
    }


def _write_pod_network(layout: Layout) -> None:
    routes = [{"dst": "0.0.0.0/0"}]
    ipam = {
        "type": "host-local",
        "dataDir": f"{layout.state}/pod-addresses",
        "ranges": [[{"subnet": NODE_POD_RANGE}]],
        "routes": routes,
    }
    # No masquerading: a pod's packets never leave the machine.
    bridge = {
        "type": "bridge",
        "bridge": POD_BRIDGE,
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": ipam,
    }
    network = {"cniVersion": "0.4.0", "name": POD_BRIDGE, "plugins": [bridge]}
    write_json(layout.config / "cni" / "10-pods.conflist", network)


def node_images(layout: Layout) -> list[str]:
    """References of the images that containerd has, without digests."""
    listed = run(["ctr", "--address", layout.containerd_socket, "--namespace", "k8s.io", "images", "list", "-q"])
    return sorted(line for line in listed.splitlines() if not line.startswith("sha256:"))
