"""Checks, before anything is changed, that this machine can carry the cluster, and says what to do if not."""

from __future__ import annotations

import os
import socket

from . import packages
from .addresses import LISTENERS, NODE_IP
from .cgroups import pod_cgroups
from .errors import ClusterError
from .network import BRIDGE_NETFILTER
from .node import CNI_PROGRAMS

# (program, Debian package that has it)
PROGRAMS = (
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("conntrack", "conntrack"),
    ("mount", "mount"),
)


def ensure_programs() -> None:
    """Refuses who is not root, and as root with apt installs the packages that are missing: before all else, since
    what an earlier start left is looked for with these programs, and since a build takes half an hour."""
    if os.geteuid() != 0:
        raise ClusterError(
            "the cluster's processes make network interfaces, mounts and cgroups: run it as root, "
            "or set KUBECONFIG to a cluster of your own (kind, k3d, a cloud)"
        )
    packages.ensure(missing_packages())


def ensure_ready() -> None:
    """Refuses a machine whose kernel, ports or cgroups cannot carry the cluster."""
    if not BRIDGE_NETFILTER.exists():
        raise ClusterError("the kernel has no br_netfilter, so Services cannot work: `modprobe br_netfilter`")
    taken = [f"{address}:{port}" for address, port in LISTENERS if address != NODE_IP and _is_taken(address, port)]
    if taken:
        raise ClusterError(f"taken by another program: {', '.join(taken)}; end it (`ss -ltnp` names it) and try again")
    for top in pod_cgroups():
        raise ClusterError(f"{top} is there: another kubelet runs here, or one ended without `make cluster-down`")


def missing_packages() -> set[str]:
    """Debian packages whose programs are not there."""
    absent = packages.missing(PROGRAMS)
    return absent if (CNI_PROGRAMS / "bridge").exists() else absent | {"containernetworking-plugins"}


def _is_taken(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return True
    return False
