"""Proof 8: resources and runs by `kubectl`, through an operator in a tenant's namespace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import NAMESPACE, RELEASE
from .evidence import keep
from .kube import Kube
from .platform import CONTRACTS, RESOURCES, RUN_TIMEOUT_S, ClusterPlatform
from .services import unsettled
from .summary import PASSED, Summary
from .tenant import ACCOUNT, ALL, DEFINITIONS, Tenant, prepared

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]
SETTLE_TIMEOUT_S = 240.0
SOON_S = 60.0
VIEWER = "a-viewer"
OPERATOR = f"system:serviceaccount:{NAMESPACE}-tenant:{ACCOUNT}"
# Beyond what the operator's Role gives: each would be more than it needs.
FORBIDDEN = (
    ("get", "secrets"),
    ("get", "configmaps"),
    ("list", "pods"),
    ("create", "agentroles.amas.dev"),
    ("delete", "agentroles.amas.dev"),
    ("update", "runs.amas.dev"),
    ("list", "leases.coordination.k8s.io"),
)


@pytest.fixture
def tenant(kube: Kube, dependencies: Kube, summary: Summary) -> Iterator[Tenant]:
    """Gone again at the end; what it knew is kept if the proof failed."""
    with prepared(Kube(f"{NAMESPACE}-tenant"), dependencies) as found:
        yield found
        if summary.proofs and summary.proofs[-1].result != PASSED:
            keep(summary.proofs[-1].name.replace(" ", "-"), [found.kube])


def test_resources_and_runs_by_kubectl(
    summary: Summary, kube: Kube, platform: ClusterPlatform, tenant: Tenant, good: dict[str, Any]
):
    """Applied, shown, refused, run, deleted, uninstalled: each as the documentation says."""
    with summary.proof("8 resources", "kubectl apply and get of resources and runs, by an operator") as proof:
        kube.until("every rollout is settled", lambda: not unsettled(kube, RELEASE), SETTLE_TIMEOUT_S)
        platform.apply_load()
        with proof.timed("installed_s"):
            tenant.definitions.upgrade()
            tenant.kube.run("wait", "--for=condition=Established", "--timeout=60s", "crd", *DEFINITIONS)
            tenant.operator.upgrade(
                {"image.tag": good["global.image.tag"], "gateway.url": f"http://{RELEASE}-gateway.{NAMESPACE}.svc:8000"}
            )
            tenant.kube.run("rollout", "status", f"deployment/{ACCOUNT}", "--timeout=120s", timeout=130)
        with proof.timed("applied_s"):
            apply(tenant)
            tenant.kube.run("wait", "--for=condition=Ready", "--timeout=60s", ALL, "--all")
        shown_as_resources(tenant)
        refused(tenant)
        seen_by_kubectl(tenant, platform, proof)
        only_what_it_needs(tenant)
        with proof.timed("deleted_s"):
            deleted(tenant, platform)
        with proof.timed("uninstalled_s"):
            left_behind(tenant)
        # What others still need was not taken from the platform.
        assert platform.run_to_end()["state"] == "RUN_STATE_SUCCEEDED"


def own(name: str) -> str:
    """Documents of the cluster's `approved.yaml` under names of this proof's own."""
    text = (RESOURCES / "approved.yaml").read_text()
    return text.replace("careful-writer", f"{name}-writer").replace("{name: approved,", f"{{name: {name}-approved,")


def apply(tenant: Tenant) -> None:
    """The same files that `amas apply` takes."""
    shipped = [CONTRACTS / "analyst.yaml", RESOURCES / "model.yaml", RESOURCES / "workspace.yaml"]
    tenant.kube.run("apply", *(part for file in shipped for part in ("--filename", str(file))))
    tenant.kube.apply(own("kubectl"))


def shown_as_resources(tenant: Tenant) -> None:
    """Columns with what came of each."""
    header, *rows = tenant.table("agentroles")
    assert header == ["NAME", "VERSION", "READY", "BUNDLE", "AGE"]
    assert {row[0]: row[1:3] for row in rows} == {"analyst": ["1.0.0", "True"], "kubectl-writer": ["1.0.0", "True"]}
    for kind, name in (
        ("toolservers", "workspace"),
        ("modelroutes", "default"),
        ("orchestrations", "kubectl-approved"),
    ):
        assert name in tenant.kube.run("get", kind)
        assert tenant.become(f"{kind}/{name}", "Applied")["status"] == "True"


def refused(tenant: Tenant) -> None:
    """Mistakes at admission, with their fields; a name that does not exist by the platform, on the resource."""
    quota = {"subject": {"tenant": "acme"}, "window": "day", "bytesIn": "2Ki"}
    small = {"apiVersion": "amas.dev/v1alpha1", "kind": "Quota", "metadata": {"name": "small"}, "spec": quota}
    said = tenant.refusal("apply", "-f", "-", given=json.dumps(small))
    assert 'The Quota "small" is invalid: spec.bytesIn: Invalid value: expected 4Ki to 1024Gi' in said
    role = tenant.kube.get("agentroles", "kubectl-writer")
    wrong = {"apiVersion": role["apiVersion"], "kind": "AgentRole", "metadata": {"name": "wrong"}}
    mistyped = {**role["spec"], "temprature": 0}
    said = tenant.refusal("apply", "-f", "-", given=json.dumps({**wrong, "spec": mistyped}))
    assert 'unknown field "spec.temprature"' in said
    assert not tenant.kube.exists("agentroles", "wrong")
    lost = {**role["spec"], "model": {"route": "nowhere"}}
    tenant.kube.apply(json.dumps({**wrong, "spec": lost}))
    assert "nowhere" in tenant.become("agentroles/wrong", "Refused", SOON_S)["message"]
    tenant.kube.run("delete", "agentroles", "wrong", "--timeout=60s")


def seen_by_kubectl(tenant: Tenant, platform: ClusterPlatform, proof: Any) -> None:
    """A run through the gateway: waiting for people, then succeeded, to who may view the namespace and nobody else."""
    tenant.kube.run("create", "rolebinding", VIEWER, "--clusterrole=view", f"--user={VIEWER}")
    client = platform.client()
    run = platform.start("kubectl-approved", 1)

    def row() -> list[str]:
        lines = tenant.kube.run("get", "runs", "--no-headers", "--as", VIEWER).splitlines()
        return next((line.split() for line in lines if line.startswith(run)), [])

    with proof.timed("seen_waiting_s"):
        tenant.kube.until("it waits", lambda: row()[1:4] == ["kubectl-approved", "waiting", "1"], SOON_S)
    approval = tenant.kube.until("the approval", lambda: client.pending_approval(run), SOON_S)
    platform.client("release-manager").decide(approval, approve=True)
    tenant.kube.run("wait", "--for=jsonpath={.status.state}=succeeded", f"run/{run}", "--timeout=60s", "--as", VIEWER)
    ended = client.ended(run) or tenant.kube.until("the end", lambda: client.ended(run), RUN_TIMEOUT_S)
    wanted = ["kubectl-approved", "succeeded", "0"]
    tenant.kube.until("its cost", lambda: row()[-1] == ended["usage"]["cost"]["amount"], SOON_S)
    assert row()[1:4] == wanted
    proof.note(runs_shown=len(tenant.kube.all("runs.amas.dev")))
    held = json.dumps(tenant.kube.get("runs.amas.dev", run)["status"])
    assert "number 1" not in held, "what a run was given is not shown"
    assert 'cannot list resource "runs"' in tenant.refusal("get", "runs", "--as", "somebody-else")


def only_what_it_needs(tenant: Tenant) -> None:
    """The Role sufficed for all of the above; all else is refused, and other namespaces are."""
    assert [one for one in FORBIDDEN if tenant.may(OPERATOR, *one)] == []
    assert not tenant.may(OPERATOR, "list", "runs.amas.dev", NAMESPACE)
    assert tenant.may(OPERATOR, "list", "runs.amas.dev")


def deleted(tenant: Tenant, platform: ClusterPlatform) -> None:
    """What others need stays until they are gone; what nobody needs leaves the platform too."""
    tenant.kube.delete("agentroles", "kubectl-writer")
    assert "kubectl-writer" in tenant.become("agentroles/kubectl-writer", "StillNeeded", SOON_S)["message"]
    tenant.kube.run("delete", "orchestrations", "kubectl-approved", "--timeout=60s")
    tenant.kube.until("the role is gone too", lambda: not tenant.kube.exists("agentroles", "kubectl-writer"), SOON_S)
    listed = platform.client().call("GET", "/resources?pageSize=200")["resources"]
    assert not [one for one in listed if "kubectl-" in json.dumps(one)]
    # The load needs the route, though no custom resource says so.
    tenant.kube.delete("modelroutes", "default")
    assert tenant.become("modelroutes/default", "StillNeeded", SOON_S)["status"] == "False"


def left_behind(tenant: Tenant) -> None:
    """As the notes say: the resources until somebody lets go of them, the runs and the Lease; then the definitions."""
    tenant.operator.uninstall()
    tenant.kube.until(
        "its pods are gone", lambda: not tenant.kube.all("pods", "app.kubernetes.io/name=operator"), SOON_S
    )
    assert tenant.kube.exists("leases", "amas-operator")
    assert tenant.kube.all("runs.amas.dev")
    for kind in ("deployments", "roles", "rolebindings", "networkpolicies", "poddisruptionbudgets"):
        assert not tenant.kube.all(kind, "app.kubernetes.io/name=operator"), kind
    tenant.let_go()
    assert not tenant.kube.exists("modelroutes", "default"), "it was deleted, and now nobody holds it"
    assert tenant.kube.exists("toolservers", "workspace")
    tenant.definitions.uninstall()
    assert tenant.kube.exists("crd", "agentroles.amas.dev"), "definitions stay, and with them the resources"
    assert tenant.kube.exists("toolservers", "workspace")
