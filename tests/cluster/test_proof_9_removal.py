"""Proof 9: `helm uninstall` takes away everything but the Secrets, and the archive's claim, that its notes name."""

from __future__ import annotations

import pytest

from .helm import Release
from .kube import Kube
from .summary import Summary

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]
GONE_TIMEOUT_S = 180.0
# Kinds that Kubernetes itself keeps in every namespace, or that tell of the past.
NOT_OURS = {"events", "events.events.k8s.io", "configmaps", "serviceaccounts", "secrets"}
KEPT = "app.kubernetes.io/managed-by=amas-setup"
ARCHIVE = "app.kubernetes.io/part-of=amas,app.kubernetes.io/component=archive"


def test_nothing_is_left_but_what_is_named(summary: Summary, kube: Kube, release: Release):
    """No object of any kind stays; those of the set-up's Secrets and of the archive would be a loss of data."""
    with summary.proof("9 uninstall", "helm uninstall leaves no orphan but the data that it names") as proof:
        kept = {secret["metadata"]["name"] for secret in kube.all("secrets", KEPT)}
        assert f"{release.name}-audit-master-key" in kept
        claims = {f"persistentvolumeclaim/{one['metadata']['name']}" for one in kube.all("pvc", ARCHIVE)}
        with proof.timed("uninstall_s"):
            release.uninstall()
            kube.until("everything else is gone", lambda: set(left(kube)) == claims, GONE_TIMEOUT_S)
        assert {secret["metadata"]["name"] for secret in kube.all("secrets", KEPT)} == kept
        assert kube.all("secrets", "owner=helm") == []
        proof.note(kept_secrets=len(kept), kept_claims=len(claims))


def left(kube: Kube) -> list[str]:
    """What is in the namespace that does not belong there."""
    listed = kube.run("api-resources", "--namespaced", "--verbs", "list", "--output", "name").split()
    kinds = ",".join(kind for kind in listed if kind not in NOT_OURS and not kind.endswith("metrics.k8s.io"))
    found = kube.run("get", kinds, "--output", "name", "--ignore-not-found").split()
    for kind, own in (("configmaps", "kube-root-ca.crt"), ("serviceaccounts", "default")):
        found += [f"{kind}/{one['metadata']['name']}" for one in kube.all(kind) if one["metadata"]["name"] != own]
    return found
