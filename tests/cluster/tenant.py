"""A tenant's namespace, in which an operator brings what `kubectl apply` says to the platform."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .helm import ROOT, Release
from .kube import Kube, KubectlError

CLIENT = "developer"
"""The operator's client at the issuer, as in the chart's values for the test cluster."""
KINDS = ("agentroles", "orchestrations", "toolservers", "modelproviders", "modelroutes", "budgets", "quotas")
DEFINITIONS = tuple(f"{kind}.amas.dev" for kind in (*KINDS, "runs"))
ALL = ",".join(f"{kind}.amas.dev" for kind in KINDS)
ACCOUNT = "operator-operator"
READY_TIMEOUT_S = 120.0


class Tenant:
    """The namespace, with the charts that a platform engineer installs for it."""

    def __init__(self, kube: Kube) -> None:
        self.kube = kube
        self.definitions = Release("amas-crds", "default", ROOT / "charts" / "amas-crds", ())
        self.operator = Release(
            "operator",
            kube.namespace,
            ROOT / "charts" / "operator",
            (ROOT / "charts" / "operator" / "ci" / "testcluster.yaml",),
        )

    def prepare(self, dependencies: Kube) -> None:
        """The namespace with restricted pods, and the Secrets that the chart names."""
        name = self.kube.namespace
        namespace: dict[str, Any] = {"apiVersion": "v1", "kind": "Namespace"}
        namespace["metadata"] = {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}
        self.kube.apply(json.dumps(namespace))
        for secret, key in (("issuer-clients", CLIENT), ("issuer-ca", "ca.crt")):
            content = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}}
            self.kube.apply(json.dumps({**content, "stringData": {key: dependencies.secret(secret, key)}}))

    def become(self, resource: str, reason: str, timeout: float = READY_TIMEOUT_S) -> dict[str, Any]:
        """Waits until the newest generation of a resource (`kind/name`) has a reason; answers the condition Ready."""

        def look() -> dict[str, Any] | None:
            found = self.kube.get(*resource.split("/"))
            status = found.get("status", {})
            if status.get("observedGeneration") != found["metadata"]["generation"]:
                return None
            return next(
                (one for one in status["conditions"] if one["type"] == "Ready" and one["reason"] == reason), None
            )

        return dict(self.kube.until(f"{resource} is {reason}", look, timeout))

    def table(self, *what: str) -> list[list[str]]:
        """What `kubectl get` prints, a list of words a line."""
        return [line.split() for line in self.kube.run("get", *what).splitlines()]

    def refusal(self, *command: str, given: str | None = None) -> str:
        """What a command that must be refused says."""
        try:
            self.kube.run(*command, given=given)
        except KubectlError as refused:
            return str(refused)
        raise AssertionError(f"not refused: kubectl {' '.join(command)}")

    def may(self, user: str, verb: str, kind: str, namespace: str = "") -> bool:
        """Whether a user may do something, in this namespace or another."""
        where = ("--namespace", namespace) if namespace else ()
        try:
            return self.kube.run("auth", "can-i", verb, kind, "--as", user, *where).strip() == "yes"
        except KubectlError:
            return False

    def let_go(self) -> None:
        """Takes off the finalizers of all resources: for when no operator is there any more."""
        for kind in self._defined():
            for name in self.kube.run("get", kind, "--output", "name", "--ignore-not-found").split():
                self.kube.run("patch", name, "--type", "merge", "--patch", '{"metadata":{"finalizers":null}}')

    def others(self) -> list[str]:
        """Other namespaces with resources of our kinds, all of which would go with the definitions."""
        found = set()
        for kind in self._defined():
            listed = json.loads(self.kube.run("get", kind, "--all-namespaces", "--output", "json"))["items"]
            found |= {one["metadata"]["namespace"] for one in listed}
        return sorted(found - {self.kube.namespace})

    def _defined(self) -> list[str]:
        """Of our definitions those that are there: a removal that was cut off leaves some."""
        return [one for one in DEFINITIONS if self.kube.exists("crd", one)]

    def remove(self) -> None:
        """Takes away whatever of it is there.

        Raises:
            AssertionError: somebody else has resources of our kinds in this cluster; nothing is changed.
        """
        others = self.others()
        assert not others, f"this proof deletes the definitions, and {', '.join(others)} would lose resources of theirs"
        if self.operator.installed():
            self.operator.uninstall()
        self.let_go()
        if self.definitions.installed():
            self.definitions.uninstall()
        self.kube.run("delete", "crd", "--ignore-not-found", "--timeout", "60s", *DEFINITIONS)
        self.kube.run("delete", "namespace", self.kube.namespace, "--ignore-not-found", "--timeout", "100s")


@contextmanager
def prepared(kube: Kube, dependencies: Kube) -> Iterator[Tenant]:
    """A tenant's namespace, which is gone at the end with everything in it, and the definitions too."""
    tenant = Tenant(kube)
    tenant.remove()
    tenant.prepare(dependencies)
    try:
        yield tenant
    finally:
        tenant.remove()
