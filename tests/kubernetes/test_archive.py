"""The archive's jobs at a real API server with Kubernetes' own controllers: made by hand, admitted, ended in time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ..charts import ROOT, built, program, run
from ..waiting import wait_for
from .api_server import ApiServer

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
NAMESPACE = "archived"
VALUES = ROOT / "charts" / "audit" / "ci" / "archive.yaml"
READER = ROOT / "deploy" / "archive" / "reader.yaml"
JOBS = ("amas-audit-archive", "amas-audit-archive-drop")
SOON_S = 60.0


@pytest.fixture
def server(api_server: ApiServer) -> Iterator[ApiServer]:
    """With a namespace for restricted pods, which is gone at the end."""
    assert api_server.kubectl("create", "namespace", NAMESPACE).code == 0
    label = "pod-security.kubernetes.io/enforce=restricted"
    assert api_server.kubectl("label", "namespace", NAMESPACE, label).code == 0
    yield api_server
    assert api_server.kubectl("delete", "namespace", NAMESPACE, "--wait=false").code == 0


def of(server: ApiServer, *arguments: str) -> dict[str, Any]:
    """What `kubectl get` finds in the namespace."""
    done = server.kubectl("get", "--namespace", NAMESPACE, "--output", "json", *arguments)
    assert done.code == 0, done.err
    return dict(json.loads(done.out))


def test_a_job_by_hand_has_a_restricted_pod_and_an_end(server: ApiServer) -> None:
    """`create job --from` of each; without a node nothing gets its volume, and the job is given up at its deadline."""
    chart, own = str(built() / "charts" / "audit"), ("--show-only", "templates/archive.yaml")
    command = (program("helm"), "template", "amas", chart, "--namespace", NAMESPACE, "--values", str(VALUES))
    manifest = server.folder / "archive.yaml"
    manifest.write_text(run(*command, *own))
    made = server.kubectl("apply", "--validate=strict", "-f", str(manifest))
    assert made.code == 0, made.err
    assert "would violate PodSecurity" not in made.err
    with server.controllers("job-controller", "cronjob-controller", "serviceaccount-controller"):
        for name in JOBS:
            hand = ("create", "job", f"{name}-now", f"--from=cronjob/{name}", "--namespace", NAMESPACE)
            assert server.kubectl(*hand).code == 0
        for name in JOBS:
            chosen = f"job-name={name}-now"
            (pod,) = wait_for("its pod", lambda one=chosen: of(server, "pods", "--selector", one)["items"], SOON_S)
            claims = [one["persistentVolumeClaim"] for one in pod["spec"]["volumes"] if "persistentVolumeClaim" in one]
            assert claims == [{"claimName": "amas-audit-archive"}]
            assert of(server, "job", f"{name}-now")["spec"]["activeDeadlineSeconds"] == 21600
            # Six hours later.
            change = ("--namespace", NAMESPACE, "--patch", '{"spec": {"activeDeadlineSeconds": 1}}')
            assert server.kubectl("patch", "job", f"{name}-now", *change).code == 0
        for name in JOBS:
            failed = '--for=jsonpath={.status.conditions[?(@.type=="Failed")].reason}=DeadlineExceeded'
            ended = server.kubectl("wait", f"job/{name}-now", failed, "--timeout=60s", "--namespace", NAMESPACE)
            assert ended.code == 0, ended.err
        wait_for("the namespace's account", lambda: of(server, "serviceaccount", "default"), SOON_S)
    assert of(server, "pvc", "amas-audit-archive")["spec"]["accessModes"] == ["ReadWriteOncePod"]
    reader = server.kubectl("apply", "--dry-run=server", "--validate=strict", "-n", NAMESPACE, "-f", str(READER))
    assert reader.code == 0, reader.err
