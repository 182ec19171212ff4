"""Proof 9: the way of deploy/README.md, from an empty namespace to a promoted canary, by the commands that stand there.

Every command that is run is the README's own line. What stands in it for places (hosts, contents of Secrets, a token, a
model, tags of images) is the cluster's.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..gateway_client import GatewayClient
from ..integration.ports import free_port
from ..waiting import wait_for
from .conftest import CHART, RELEASE, VALUES
from .database import ClusterDatabase
from .helm import Release
from .kube import Kube
from .platform import RESOURCES, ROOT, RUN_TIMEOUT_S, ClusterPlatform
from .readme import Reader, Readme
from .rollouts import Watch
from .services import images
from .summary import Summary
from .test_proof_2_good_release import TAG

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]
INSTALL = "On a laptop"
CANARY = "A release, as a canary"
NAMESPACE = "amas-walk"
DATABASE = "amas_walk"
FORWARD_TIMEOUT_S = 60.0
PROMOTION_TIMEOUT_S = 500.0
GONE_TIMEOUT_S = "180s"
# Folders of the repository that the commands name.
NAMED = ("charts", "deploy", "out", "policies")


@pytest.fixture
def walk() -> Kube:
    """A namespace that is not there yet."""
    return Kube(NAMESPACE)


@pytest.fixture
def database(kube: Kube, dependencies: Kube) -> ClusterDatabase:
    """The walk's own, empty."""
    return ClusterDatabase(kube, dependencies, DATABASE)


@pytest.fixture
def port() -> int:
    """Where the reader has the gateway forwarded to."""
    return free_port()


@pytest.fixture
def reader(tmp_path: Path, dependencies: Kube, platform: ClusterPlatform, port: int) -> Reader:
    """Somebody with a clone of the repository, a cluster, and what the README says that must be there."""
    for name in NAMED:
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "postgres-password").write_text(dependencies.secret("postgres", "password"))
    (tmp_path / "issuer-ca.crt").write_text(dependencies.secret("issuer-ca", "ca.crt"))
    (tmp_path / "token").write_text(platform.token())
    for name in ("postgres-password", "token"):
        (tmp_path / name).chmod(0o600)
    shutil.copy(RESOURCES / "model.yaml", tmp_path / "my-model.yaml")
    places = {
        "-n amas ": f"-n {NAMESPACE} ",
        "namespace amas": f"namespace {NAMESPACE}",
        "127.0.0.1:8000": f"127.0.0.1:{port}",
        "service/amas-gateway 8000": f"service/amas-gateway {port}:8000",
        "ai-router.image.tag=1.1.0": f"ai-router.image.tag={TAG}",
    }
    shell = {name: os.environ[name] for name in ("PATH", "KUBECONFIG")} | {"HOME": str(tmp_path)}
    return Reader(tmp_path, places, shell)


def test_the_readme_leads_from_nothing_to_a_promoted_canary(
    summary: Summary,
    dependencies: Kube,
    release: Release,
    platform: ClusterPlatform,
    walk: Kube,
    database: ClusterDatabase,
    reader: Reader,
    good: dict[str, Any],
    port: int,
):
    """Its install, first run, traffic and release, line by line; no run of the traffic fails."""
    readme = Readme(ROOT / "deploy" / "README.md")
    install, canary = readme.commands(INSTALL), readme.commands(CANARY)
    with summary.proof("9 README", "deploy/README.md, from an empty namespace to a promoted canary") as proof:
        if release.installed():
            release.uninstall()
        with nothing_left(walk, database):
            reader.run(install, "kubectl create namespace amas")
            reader.run(install, "kubectl label namespace amas")
            reader.run(install, "kubectl -n amas create secret generic postgres-admin")
            reader.run(install, "kubectl -n amas create secret generic issuer-ca")
            values = with_the_clusters_places(readme.values(INSTALL), dependencies, walk, good["global.image.tag"])
            (reader.folder / "values.yaml").write_text(yaml.safe_dump(values))
            with proof.timed("install_s"):
                reader.run(install, "helm install amas")
            with proof.timed("healthy_s"):
                reader.run(install, "kubectl -n amas wait rollout --all")
            pods = [line.split() for line in reader.run(install, "kubectl -n amas get pods").splitlines()]
            beside = {pod[0]: pod[1] for pod in pods if pod[0].startswith(("amas-orchestrator-", "amas-ai-router-"))}
            assert beside
            assert set(beside.values()) == {"3/3"}, pods
            with background(reader, install, "kubectl -n amas port-forward service/amas-gateway 8000"):
                wait_for_port(walk, port)
                reader.run(install, "amas login --server http://127.0.0.1:8000 --token-stdin < token")
                reader.run(install, "amas apply -f policies/contracts/release-notes/analyst.yaml")
                with proof.timed("first_run_s"):
                    reader.run(install, "amas run first-run --input-file deploy/first-run/input.json --follow")
                with background(reader, canary, "while amas run first-run") as traffic:
                    with Watch(walk, f"{RELEASE}-ai-router") as watch:
                        before = watch.until("its state", lambda one: one.promoted, FORWARD_TIMEOUT_S)
                        with proof.timed("release_s"):
                            reader.run(canary, "helm upgrade amas out/charts/amas -n amas")
                            done = watch.until(
                                "promoted or not",
                                lambda one: (one.promoted and one.stable != before.stable) or one.aborted,
                                PROMOTION_TIMEOUT_S,
                            )
                    assert done.promoted, done
                    assert all(image.endswith(f":{TAG}") for image in images(walk, "ai-router"))
                    # The README's loop ends at the first run that fails.
                    told = (reader.folder / "traffic.log").read_text()
                    assert traffic.poll() is None, told[-2000:]
                runs = re.findall(r"^run/(\S+) started", told, re.MULTILINE)
                client = GatewayClient(f"http://127.0.0.1:{port}/v1", platform.token())
                ends = [
                    walk.until(f"the end of {run}", lambda run=run: client.ended(run), RUN_TIMEOUT_S) for run in runs
                ]
                assert {end["state"] for end in ends} == {"RUN_STATE_SUCCEEDED"}
                proof.note(runs_meanwhile=len(runs), failed=0)


def ended(client: GatewayClient, run: str) -> str:
    """The state in which a run has ended."""
    return str(wait_for(f"the end of {run}", lambda: client.ended(run), RUN_TIMEOUT_S, every=0.5)["state"])


def with_the_clusters_places(values: dict[str, Any], dependencies: Kube, walk: Kube, tag: str) -> dict[str, Any]:
    """The README's values with the hosts and Secrets of the cluster; what is replaced must be there."""
    cluster = yaml.safe_load(VALUES.read_text())
    shared = values["global"]
    assert {"image", "database", "redis", "prometheus", "delivery"} <= set(shared)
    shared["image"]["tag"] = tag
    shared["database"] |= {"host": f"postgres.{dependencies.namespace}.svc", "name": DATABASE}
    shared["redis"] = {**cluster["global"]["redis"], "host": f"valkey.{dependencies.namespace}.svc"}
    shared["prometheus"]["address"] = cluster["global"]["prometheus"]["address"]
    assert values["gateway"]["oidc"]["issuer"]
    values["gateway"]["oidc"]["issuer"] = f"https://issuer.{dependencies.namespace}.svc:8443"
    secret = cluster["global"]["redis"]["passwordSecret"]
    password = dependencies.secret("valkey", "password")
    kept = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret["name"]}}
    walk.apply(yaml.safe_dump({**kept, "stringData": {secret["key"]: password}}))
    return values


@contextmanager
def nothing_left(walk: Kube, database: ClusterDatabase) -> Iterator[None]:
    """Takes away what an earlier walk left, and at the end what this one did if it went well. Else that stands."""
    remove(walk, database)
    yield
    remove(walk, database)


def remove(walk: Kube, database: ClusterDatabase) -> None:
    """The release, its namespace and its database."""
    made = Release(RELEASE, NAMESPACE, CHART, ())
    if walk.exists("namespace", NAMESPACE):
        if made.installed():
            made.uninstall()
        walk.run("delete", "namespace", NAMESPACE, "--timeout", GONE_TIMEOUT_S, timeout=200)
    database.drop()


@contextmanager
def background(reader: Reader, commands: list[str], begin: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command of the README that goes on meanwhile; ended with all that it started."""
    process = reader.begin(commands, begin)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


def wait_for_port(walk: Kube, port: int) -> None:
    """Waits until the forwarded port answers."""

    def answers() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    walk.until("the forwarded port", answers, FORWARD_TIMEOUT_S)
