"""Operator processes against a real API server and a real platform."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.local_platform import LocalPlatform
from tests.waiting import wait_for

from .api_server import ApiServer

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "charts" / "operator" / "files" / "rules.yaml"
# Two thirds of it are the bound of a renewal: an API server that has much else to do needs some of that.
LEASE_S = 15
STOP_S = 30.0


@dataclass
class Operators:
    """Any number of replicas for one namespace; they have the rights that the chart gives, and no more."""

    server: ApiServer
    platform: LocalPlatform
    namespace: str
    folder: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def prepare(self) -> None:
        """Makes the namespace and gives the user `operator` its rights there."""
        assert self.server.kubectl("create", "namespace", self.namespace).code == 0
        role = {"metadata": {"name": "operator"}, "rules": YAML(typ="safe").load(RULES.read_text())}
        binding = {
            "metadata": {"name": "operator"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "operator"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "operator"}],
        }
        for kind, content in (("Role", role), ("RoleBinding", binding)):
            text = json.dumps({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, **content})
            made = self.server.kubectl("apply", "-n", self.namespace, "-f", "-", given=text)
            assert made.code == 0, made.err

    def start(self, name: str, port: int, principal: str = "developer") -> None:
        """Starts a replica, with client credentials of the platform's own issuer."""
        endpoints = self.platform.status()["endpoints"]
        settings = {
            "HTTP_LISTEN": f"127.0.0.1:{port}",
            "GATEWAY_URL": endpoints["docs"].removesuffix("/docs"),
            "NAMESPACE": self.namespace,
            "KUBECONFIG_FILE": str(self.server.kubeconfig("operator")),
            "ISSUER": endpoints["issuer"],
            "CLIENT_ID": principal,
            "CLIENT_SECRET_FILE": str(self.platform.home / "issuer" / "clients" / principal),
            "IDENTITY": name,
            "LEASE_SECONDS": str(LEASE_S),
        }
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "amas_operator"],
                env={**os.environ, **{f"AMAS_OPERATOR_{key}": value for key, value in settings.items()}},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def log(self, name: str) -> str:
        """What a replica said."""
        return (self.folder / f"{name}.log").read_text()

    def end(self, name: str, number: signal.Signals) -> int:
        """Ends a replica; its exit code."""
        process = self.processes.pop(name)
        process.send_signal(number)
        return process.wait(STOP_S)

    def end_all(self) -> None:
        """Kills what still runs."""
        for name in list(self.processes):
            self.end(name, signal.SIGKILL)

    def holder(self) -> str:
        """Who holds the lease."""
        found = self.server.kubectl(
            "get", "lease", "amas-operator", "-n", self.namespace, "-o", "jsonpath={.spec.holderIdentity}"
        )
        return found.out

    def apply(self, *arguments: str, given: str = "") -> None:
        """`kubectl apply` in the namespace."""
        applied = self.server.kubectl("apply", "-n", self.namespace, *arguments, given=given)
        assert applied.code == 0, applied.err

    def conditions(self) -> dict[str, dict[str, Any]]:
        """The condition Ready of each resource whose status speaks of its newest generation, by `Kind/name`."""
        listed = self.server.kubectl("get", "amas", "-n", self.namespace, "-o", "json")
        return {
            f"{item['kind']}/{item['metadata']['name']}": (item.get("status") or {}).get("conditions", [{}])[0]
            | {"bundle": (item.get("status") or {}).get("bundleDigest", "")}
            for item in json.loads(listed.out)["items"]
            if (item.get("status") or {}).get("observedGeneration") == item["metadata"]["generation"]
        }

    def become(self, wanted: dict[str, str], within: float = 150.0) -> dict[str, dict[str, Any]]:
        """Waits until the resources have these reasons; answers all conditions."""

        def there() -> bool:
            ended = {name: process.returncode for name, process in self.processes.items() if process.poll() is not None}
            if ended:
                raise RuntimeError(f"ended by themselves: {ended}; " + self.log(next(iter(ended)))[-3000:])
            found = self.conditions()
            return all(found.get(name, {}).get("reason") == reason for name, reason in wanted.items())

        try:
            wait_for(f"{wanted}", there, within, every=0.5)
        except AssertionError:
            logs = "\n".join(self.log(name)[-3000:] for name in self.processes)
            raise AssertionError(f"wanted {wanted}, found {self.conditions()}\n{logs}") from None
        return self.conditions()


def answers(port: int, path: str) -> str:
    """What a replica's HTTP port answers; empty if nothing."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=STOP_S) as answer:
            return str(answer.read().decode())
    except (OSError, urllib.error.URLError):
        return ""
