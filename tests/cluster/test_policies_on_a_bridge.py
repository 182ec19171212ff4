"""NetworkPolicies as nftables against real packets: pods are network namespaces on a bridge, as the test cluster's are.

Everything is inside of one more namespace, so that neither the machine's rules nor its interfaces are touched.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from amas_test_cluster.netpol.isolation import allows, isolated
from amas_test_cluster.netpol.rendering import render
from amas_test_cluster.netpol.selectors import Pod, Population

from .netpol.probe import TIMED_OUT

PROBE = Path(__file__).parent / "netpol" / "probe.py"
NODE = "10.243.7.1"
PORTS = (53, 8080, 9090)
# For what is to be refused, which no answer ends; and the bound of a hang, for what is to be answered.
ASK_S = 2.0
ANSWER_S = 60.0
COMMAND_TIMEOUT_S = 90
PODS = {
    name: Pod(namespace, name, IPv4Address(address), {"app": name}, {("TCP", "http"): 8080})
    for name, namespace, address in (
        ("web", "shop", "10.243.7.2"), ("api", "shop", "10.243.7.3"), ("far", "away", "10.243.7.4"),
    )
}  # fmt: skip
SHOP = Population(tuple(PODS.values()), {"shop": {"kind": "ours"}, "away": {"kind": "theirs"}})
Way = tuple[str, str, int, str]
"""From whom, to whom, port and protocol."""
WEB = {"podSelector": {"matchLabels": {"app": "web"}}}
THEIRS = {"namespaceSelector": {"matchLabels": {"kind": "theirs"}}}
SERVICE = """
table ip service {
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    ip daddr 10.243.8.1 tcp dport 80 dnat to 10.243.7.3:8080
  }
}
"""


def policy(spec: dict[str, Any], app: str = "api") -> dict[str, Any]:
    """A NetworkPolicy of one pod."""
    return {"metadata": {"namespace": "shop"}, "spec": {"podSelector": {"matchLabels": {"app": app}}, **spec}}


CASES = {
    "no policy": [],
    "deny": [policy({"policyTypes": ["Ingress", "Egress"]})],
    "a peer and a range": [policy({"ingress": [{"from": [WEB], "ports": [{"port": 8000, "endPort": 9000}]}]})],
    "a name and UDP": [policy({"ingress": [{"ports": [{"port": "http"}, {"port": 53, "protocol": "UDP"}]}]})],
    "a block with a hole": [
        policy({"ingress": [{"from": [{"ipBlock": {"cidr": "10.243.7.0/24", "except": ["10.243.7.2/32"]}}]}]})
    ],
    "out to a namespace": [
        policy({"policyTypes": ["Egress"], "egress": [{"to": [THEIRS]}]})
    ],
    "two that add up": [
        policy({"ingress": [{"from": [WEB], "ports": [{"port": 8080}]}]}),
        policy({"ingress": [{"from": [WEB], "ports": [{"port": 9090}, {"port": 8080}]}]}),
    ],
    "out and in": [
        policy({"policyTypes": ["Egress"], "egress": [{"ports": [{"port": 8080}]}]}, "web"),
        policy({"ingress": [{"from": [WEB], "ports": [{"port": 9090}, {"port": 8080}]}]}),
    ],
}  # fmt: skip


class Bridge:
    """The pods of SHOP, each with the probe program that listens, and the node that they are on."""

    def __init__(self) -> None:
        # By chance: the namespaces of a run that was killed are still there, and process ids come again.
        self._own = f"amas-test-{secrets.token_hex(4)}"
        self._ends = ExitStack()

    def __enter__(self) -> Bridge:
        with ExitStack() as undo:
            self._node(undo)
            for pod in PODS.values():
                self._pod(undo, pod)
            self._ends = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def load(self, rules: str) -> None:
        """Puts a table in the place of the one before."""
        run(*self._in("node"), "nft", "-f", "-", given=rules)

    def open(self, source: str, expected: Set[Way]) -> set[Way]:
        """What a pod, or the node, reaches; a busy machine may take its time for what it is expected to reach."""
        ways = every_way([source])
        found: set[Way] = set()
        for asked, seconds in (
            ([way for way in ways if way in expected], ANSWER_S),
            ([way for way in ways if way not in expected], ASK_S),
        ):
            questions = [
                {"address": str(PODS[to].address), "port": port, "protocol": protocol, "greets": True}
                for _, to, port, protocol in asked
            ]
            answers = self.ask(source, questions, seconds) if questions else []
            found |= {way for way, answer in zip(asked, answers, strict=True) if answer == way[1]}
        return found

    def ask(self, source: str, questions: list[dict[str, Any]], seconds: float) -> list[str]:
        """What the probe program of a pod is told."""
        command = [sys.executable, "-I", "-S", str(PROBE), "ask", str(seconds)]
        return list(json.loads(run(*self._in(source), *command, given=json.dumps(questions))))

    def _in(self, name: str) -> tuple[str, ...]:
        return "ip", "netns", "exec", f"{self._own}-{name}"

    def _namespace(self, undo: ExitStack, name: str) -> None:
        run("ip", "netns", "add", f"{self._own}-{name}")
        undo.callback(run, "ip", "netns", "delete", f"{self._own}-{name}")

    def _node(self, undo: ExitStack) -> None:
        self._namespace(undo, "node")
        inside = self._in("node")
        run(*inside, "ip", "link", "add", "pods", "type", "bridge")
        run(*inside, "ip", "address", "add", f"{NODE}/24", "dev", "pods")
        run(*inside, "ip", "link", "set", "pods", "up")
        for setting in ("bridge/bridge-nf-call-iptables", "ipv4/ip_forward"):
            run(*inside, "sh", "-c", f"echo 1 > /proc/sys/net/{setting}")

    def _pod(self, undo: ExitStack, pod: Pod) -> None:
        self._namespace(undo, pod.name)
        inside, node = self._in(pod.name), self._in("node")
        run(*node, "ip", "link", "add", pod.name, "type", "veth", "peer", "eth0", "netns", f"{self._own}-{pod.name}")
        run(*node, "ip", "link", "set", pod.name, "master", "pods", "up")
        run(*inside, "ip", "address", "add", f"{pod.address}/24", "dev", "eth0")
        run(*inside, "ip", "link", "set", "eth0", "up")
        run(*inside, "ip", "route", "add", "default", "via", NODE)
        listens = [sys.executable, "-I", "-S", str(PROBE), "serve", pod.name, ",".join(map(str, PORTS)), "53"]
        process = subprocess.Popen([*inside, *listens], stdout=subprocess.PIPE, text=True)
        undo.callback(_end, process)
        assert process.stdout is not None
        assert process.stdout.readline() == "serving\n"


def every_way(sources: Iterable[str]) -> list[Way]:
    """From each of them to each other pod, on every port."""
    ends = [("TCP", port) for port in PORTS] + [("UDP", 53)]
    return [(a, b, port, protocol) for a in sources for b in PODS if a != b for protocol, port in ends]


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def run(*command: str, given: str | None = None) -> str:
    """Runs a command to its end."""
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}\n{given or ''}"
    return done.stdout


@pytest.fixture(scope="module")
def bridge() -> Iterator[Bridge]:
    """Needs what `make cluster-up` needs: root, iproute2, nftables, br_netfilter."""
    missing = [program for program in ("ip", "nft", "unshare") if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("network namespaces may not be made here")
    if not Path("/proc/sys/net/bridge/bridge-nf-call-iptables").exists():
        pytest.skip("the kernel has no br_netfilter")
    with Bridge() as made:
        yield made


@pytest.mark.parametrize("name", CASES)
def test_packets_go_where_the_policies_say(bridge: Bridge, name: str):
    """Every pair of pods on every port, by real connections; and the node reaches everything."""
    shut = isolated(CASES[name], SHOP)
    bridge.load(render(shut))
    asked = every_way(PODS)
    expected = {
        (a, b, port, protocol)
        for a, b, port, protocol in asked
        if allows(shut, PODS[a].address, PODS[b].address, protocol, port)
    }
    with ThreadPoolExecutor(len(PODS)) as at_once:
        assert set().union(*at_once.map(lambda source: bridge.open(source, expected), PODS)) == expected
    assert len(expected) == len(asked) if name == "no policy" else 0 < len(expected) < len(asked)
    everything = set(every_way(["node"]))
    assert bridge.open("node", everything) == everything
    assert len(everything) == len(PODS) * (len(PORTS) + 1)


def test_a_service_is_judged_by_the_pod_that_it_leads_to(bridge: Bridge):
    """As kube-proxy does it: the address and port of a Service become a pod's before policies are asked."""
    shut = isolated([policy({"ingress": [{"from": [WEB], "ports": [{"port": 8080}]}]})], SHOP)
    bridge.load(render(shut) + SERVICE)
    question = {"address": "10.243.8.1", "port": 80, "protocol": "TCP", "greets": True}
    assert bridge.ask("web", [question], ANSWER_S) == ["api"]
    assert bridge.ask("far", [question], ASK_S) == [TIMED_OUT]
    wrong = [policy({"ingress": [{"from": [WEB], "ports": [{"port": 80}]}]})]
    bridge.load(render(isolated(wrong, SHOP)))
    assert bridge.ask("web", [question], ASK_S) == [TIMED_OUT], "a Service's port is not the pod's"
