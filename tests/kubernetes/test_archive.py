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
RELEASE = "amas"
# The chart alone, where nothing but Kubernetes itself is.
FLAGS = "migration.enabled=false,global.workload.kind=Deployment,global.prometheus.podMonitor.enabled=false"
VALUES = ("--values", str(ROOT / "charts" / "audit" / "ci" / "archive.yaml"), "--set", FLAGS)
READER = ROOT / "deploy" / "archive" / "reader.yaml"
JOBS = ("amas-audit-archive", "amas-audit-archive-drop")
SOON_S = 60.0


@pytest.fixture(scope="module")
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


def helm(server: ApiServer, *arguments: str) -> None:
    """Has Helm do something in the namespace."""
    run(program("helm"), *arguments, "--namespace", NAMESPACE, "--kubeconfig", str(server.kubeconfig()))


def installed(server: ApiServer, *values: str) -> None:
    """A release of audit's chart, new or upgraded; without values with an archive."""
    helm(server, "upgrade", "--install", RELEASE, str(built() / "charts" / "audit"), *(values or VALUES))


def pod_of(server: ApiServer, job: str) -> dict[str, Any]:
    """The one pod of a job, once its controller has made it."""
    (pod,) = wait_for(f"a pod of {job}", lambda: of(server, "pods", "--selector", f"job-name={job}")["items"], SOON_S)
    return dict(pod)


def test_a_job_by_hand_has_a_restricted_pod_and_an_end(server: ApiServer) -> None:
    """`create job --from` of each; without a node nothing gets its volume, and the job is given up at its deadline."""
    installed(server)
    with server.controllers("job-controller", "cronjob-controller", "serviceaccount-controller"):
        for name in JOBS:
            hand = ("create", "job", f"{name}-now", f"--from=cronjob/{name}", "--namespace", NAMESPACE)
            assert server.kubectl(*hand).code == 0
        for name in JOBS:
            pod = pod_of(server, f"{name}-now")
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


def test_the_claim_outlives_the_release(server: ApiServer) -> None:
    """It stays where the jobs go, by an upgrade or an uninstall, and a release of the same name takes it up again."""
    installed(server)
    claim = of(server, "pvc", JOBS[0])["metadata"]["uid"]
    installed(server, "--set", FLAGS)
    assert of(server, "cronjobs")["items"] == []
    installed(server)
    helm(server, "uninstall", RELEASE)
    assert [one["metadata"]["uid"] for one in of(server, "cronjobs,deployments,pvc")["items"]] == [claim]
    installed(server)
    assert {one["metadata"]["name"] for one in of(server, "cronjobs")["items"]} == set(JOBS)
    assert of(server, "pvc", JOBS[0])["metadata"]["uid"] == claim
