"""Keeps the cluster's addresses on this machine, and takes its traces away again.

The node's address stands on a bridge without ports, the service range is routed there and the range of pods into a
black hole (the pods' own bridge has the longer prefix while it is up), so that a packet which kube-proxy does not
rewrite dies here. A pod reaches pods and the node's address; anything else that it sends is rejected.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from .addresses import NODE_INTERFACE, NODE_IP, POD_BRIDGE, POD_RANGE, SERVICE_RANGE
from .commands import attempt, run
from .files import write_json
from .layout import Layout
from .netpol.rendering import TABLE as POLICIES

FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
# Packets between pods of one bridge pass netfilter, so that answers of a Service are rewritten back.
BRIDGE_NETFILTER = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
TABLE = "amas_cluster"
# kube-proxy's own, in nftables mode.
PROXY_TABLES = (("ip", "kube-proxy"), ("ip6", "kube-proxy"))
TABLES = (*PROXY_TABLES, ("inet", TABLE), ("inet", POLICIES))

RULES = f"""
table inet {TABLE} {{
  chain forward {{
    type filter hook forward priority -10; policy accept;
    ip saddr {POD_RANGE} ip daddr != {POD_RANGE} reject with icmp type admin-prohibited
    ip daddr {POD_RANGE} ip saddr != {POD_RANGE} drop
  }}
  chain input {{
    type filter hook input priority -10; policy accept;
    ip saddr {POD_RANGE} ip daddr != {{ {NODE_IP}, {POD_RANGE} }} reject with icmp type admin-prohibited
  }}
}}
"""


def bring_up(layout: Layout) -> None:
    """Makes the interface, the routes and the rules; what sysctl said before is noted for `take_down`."""
    before = layout.state / "sysctl.json"
    if not before.exists():
        write_json(before, {str(path): path.read_text().strip() for path in (FORWARDING, BRIDGE_NETFILTER)})
    if not _interface_exists(NODE_INTERFACE):
        run(["ip", "link", "add", NODE_INTERFACE, "type", "bridge"])
    run(["ip", "address", "replace", f"{NODE_IP}/32", "dev", NODE_INTERFACE])
    run(["ip", "link", "set", NODE_INTERFACE, "up"])
    run(["ip", "route", "replace", SERVICE_RANGE, "dev", NODE_INTERFACE, "src", NODE_IP])
    run(["ip", "route", "replace", "blackhole", POD_RANGE])
    attempt(["nft", "delete", "table", "inet", TABLE])
    run(["nft", "-f", "-"], text=RULES)
    for path in (FORWARDING, BRIDGE_NETFILTER):
        path.write_text("1")


def take_down(layout: Layout) -> None:
    """Removes all of it; each part may be gone already."""
    for family, table in TABLES:
        _answer("nft", "delete", "table", family, table)
    _answer("ip", "route", "del", "blackhole", POD_RANGE)
    for interface in (POD_BRIDGE, NODE_INTERFACE):
        _answer("ip", "link", "del", interface)
    before = layout.state / "sysctl.json"
    if before.exists():
        for name, value in json.loads(before.read_text()).items():
            Path(name).write_text(value)


def remains() -> list[str]:
    """What is still there of the cluster's network."""
    found = [name for name in (POD_BRIDGE, NODE_INTERFACE) if _interface_exists(name)]
    tables = _answer("nft", "list", "tables")
    found += [table for _, table in TABLES if f" {table}\n" in tables]
    return found


def _answer(*argv: str) -> str:
    """What a program says, whatever its exit code; nothing where it is not installed: then it has made nothing."""
    return attempt(argv).stdout if shutil.which(argv[0]) else ""


def _interface_exists(name: str) -> bool:
    return Path("/sys/class/net", name).exists()
