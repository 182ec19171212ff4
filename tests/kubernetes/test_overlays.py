"""The overlays of environments at a real API server: every manifest of a kind that it knows is admitted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..charts import ROOT, built, documents, program, run
from .api_server import ApiServer, definitions

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
OVERLAYS = ROOT / "deploy" / "overlays"
ENVIRONMENTS = ("dev", "staging", "production")
NAMESPACE = "amas"
# Made by software whose definitions are not at hand: held against their schemas by `make lint-charts` alone.
ELSEWHERE = {"cert-manager.io", "gateway.networking.k8s.io"}


@pytest.fixture(scope="module")
def server(api_server: ApiServer) -> Iterator[ApiServer]:
    """With the definitions of Argo Rollouts, KEDA and the Prometheus operator, as on the test cluster."""
    found = [*definitions("rollouts"), *definitions("keda"), *definitions("crds")]
    if not {"rollout-crd.yaml", "keda.sh_scaledobjects.yaml"} <= {file.name for file in found}:
        pytest.skip("definitions of other projects are not here: `make cluster-up` copies them into the cache, once")
    files = [part for file in found for part in ("-f", str(file))]
    # By `create`: what `apply` keeps in an annotation is too large for a Rollout's definition.
    made = api_server.kubectl("create", *files)
    assert made.code == 0, made.err
    ready = api_server.kubectl("wait", "--for=condition=Established", "--timeout=60s", *files)
    assert ready.code == 0, ready.err
    assert api_server.kubectl("create", "namespace", NAMESPACE).code == 0
    yield api_server
    assert api_server.kubectl("delete", "namespace", NAMESPACE, "--wait=false").code == 0


def _rendered(environment: str) -> list[dict[str, Any]]:
    built()
    helm, kustomize = program("helm"), program("kustomize")
    return documents(run(kustomize, "build", "--enable-helm", "--helm-command", helm, str(OVERLAYS / environment)))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_is_admitted(server: ApiServer, environment: str, tmp_path: Path) -> None:
    """By `kubectl apply --dry-run=server`, field by field; what is left out is of the kinds that are named here."""
    known: list[dict[str, Any]] = []
    for document in _rendered(environment):
        group = document["apiVersion"].rpartition("/")[0]
        missing = group in ELSEWHERE or (group, document["kind"]) == ("monitoring.coreos.com", "PrometheusRule")
        known += [] if missing else [document]
    kinds = {document["kind"] for document in known}
    assert {"Namespace", "NetworkPolicy", "Service", "Job"} <= kinds
    assert ("Deployment" if environment == "dev" else "Rollout") in kinds
    file = tmp_path / f"{environment}.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": known}))
    done = server.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", str(file))
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == len(known)
