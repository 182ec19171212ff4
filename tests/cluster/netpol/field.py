"""One pod for each peer of the matrix, with the peer's labels, in namespaces of their own; and what they reach.

No Service and no workload of a release selects these pods: they stand in other namespaces.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

from ..kube import Kube
from .matrix import PEERS, PORTS, UDP, Probe, probes
from .probe import REFUSED, TIMED_OUT, UNREACHABLE
from .staging import API_SERVER, NAMESPACES, PREFIX, manifest

PROGRAM = Path(__file__).parent / "probe.py"
START_TIMEOUT_S = 180
END_TIMEOUT_S = 120.0
ASK_S = 5.0
"""A connection that takes longer is shut: time for two more first packets (RFC 6298: after 1 s and 3 s)."""
AT_ONCE = 6
API_SERVER_PORT = 6443
SHUT = {REFUSED, TIMED_OUT, UNREACHABLE}


class Field:
    """The probes' pods; entering makes them, leaving removes their namespaces."""

    def __init__(self, image: str) -> None:
        self._image = image
        self._kubes = {space: Kube(name) for space, name in NAMESPACES.items()}
        self._addresses: dict[str, str] = {}
        self.cluster = Kube(PREFIX)

    def __enter__(self) -> Field:
        self.cluster.apply(manifest(*(_namespace(name) for name in NAMESPACES.values())))
        try:
            # A run that was killed left its own, under which an engine would have shut what must be open at first.
            self.cluster.run("delete", "networkpolicies", "--all")
            for space, kube in self._kubes.items():
                pods = [self._pod(name) for name in _pods() if PEERS[name]["namespace"] == space]
                kube.apply(manifest(self._program(space), *pods))
            for kube in self._kubes.values():
                kube.run(
                    "wait", "pods", "--all", "--for=condition=Ready", f"--timeout={START_TIMEOUT_S}s",
                    timeout=START_TIMEOUT_S + 10,
                )  # fmt: skip
            for kube in self._kubes.values():
                self._addresses |= {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in kube.all("pods")}
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._remove()

    def api_server(self) -> str | None:
        """The API server's address, if it listens on the port of the matrix."""
        subsets = json.loads(
            self.cluster.run(
                "get", "endpointslices", "--namespace", "default", "--output", "json",
                "--selector", "kubernetes.io/service-name=kubernetes",
            )
        )["items"]  # fmt: skip
        found = [
            address
            for one in subsets
            if one["addressType"] == "IPv4" and any(port["port"] == API_SERVER_PORT for port in one["ports"])
            for endpoint in one["endpoints"]
            for address in endpoint["addresses"]
        ]
        return found[0] if found else None

    def knows(self, address: str) -> None:
        """Tells where the API server is."""
        self._addresses[API_SERVER] = address

    def tried(self) -> list[Probe]:
        """The probes of the matrix that real packets can be sent for: from a pod, to a listener."""
        return [
            one
            for one in probes()
            if one.source in _pods()
            and one.to in self._addresses
            and (one.to != API_SERVER or (one.port == API_SERVER_PORT and one.protocol != UDP))
        ]

    def look(self, chosen: Iterable[Probe]) -> set[Probe]:
        """Which of the connections are open. All of a pod are tried at once, some pods at a time.

        Raises:
            AssertionError: another pod answered than the one that was meant.
        """
        by_source: dict[str, list[Probe]] = {}
        for one in chosen:
            by_source.setdefault(one.source, []).append(one)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return set().union(*pool.map(self._ask, by_source, by_source.values()))

    def reaches(self, source: str, addresses: list[tuple[str, int]]) -> list[bool]:
        """Which TCP addresses elsewhere let a pod connect."""
        questions = [
            {"address": address, "port": port, "protocol": "TCP", "greets": False} for address, port in addresses
        ]
        return [answer not in SHUT for answer in self._told(source, questions)]

    def _ask(self, source: str, asked: list[Probe]) -> set[Probe]:
        questions = [
            {
                "address": self._addresses[one.to],
                "port": one.port,
                "protocol": one.protocol,
                "greets": one.to != API_SERVER,
            }
            for one in asked
        ]
        found = set()
        for one, answer in zip(asked, self._told(source, questions), strict=True):
            if answer not in SHUT:
                assert answer == ("" if one.to == API_SERVER else one.to), f"{one}: {answer!r} answered"
                found.add(one)
        return found

    def _told(self, source: str, questions: list[dict[str, Any]]) -> list[str]:
        command = ("exec", source, "--stdin", "--", *_PYTHON, "ask", str(ASK_S))
        return list(json.loads(self._kube(source).run(*command, given=json.dumps(questions))))

    def _remove(self) -> None:
        names = tuple(NAMESPACES.values())
        self.cluster.run("delete", "namespace", *names, "--ignore-not-found", timeout=END_TIMEOUT_S)

    def _kube(self, peer: str) -> Kube:
        return self._kubes[PEERS[peer]["namespace"]]

    def _program(self, space: str) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "probe", "namespace": NAMESPACES[space]},
            "data": {PROGRAM.name: PROGRAM.read_text()},
        }

    def _pod(self, name: str) -> dict[str, Any]:
        peer = PEERS[name]
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": NAMESPACES[peer["namespace"]], "labels": peer["podLabels"]},
            "spec": {
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "terminationGracePeriodSeconds": 0,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": 65532,
                    "seccompProfile": {"type": "RuntimeDefault"},
                    # Ports below 1024 are the matrix's too.
                    "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}],
                },
                "containers": [
                    {
                        "name": "probe",
                        "image": self._image,
                        "imagePullPolicy": "IfNotPresent",
                        "command": [*_PYTHON, "serve", name, ",".join(map(str, PORTS)), "53"],
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]},
                        },
                        "resources": {"requests": {"cpu": "1m", "memory": "24Mi"}, "limits": {"memory": "128Mi"}},
                        "volumeMounts": [{"name": "probe", "mountPath": "/probe", "readOnly": True}],
                    }
                ],
                "volumes": [{"name": "probe", "configMap": {"name": "probe"}}],
            },
        }


_PYTHON = ("/app/bin/python", "-I", "-S", f"/probe/{PROGRAM.name}")


def _pods() -> list[str]:
    return [name for name, peer in PEERS.items() if "namespace" in peer]


def _namespace(name: str) -> dict[str, Any]:
    labels = {
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/enforce-version": "latest",
    }
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
