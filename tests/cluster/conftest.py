"""One release for all proofs, in the order of their numbers; a table of them at the end."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .evidence import OUT, keep
from .helm import Release
from .kube import Kube
from .netpol.matrix import PEERS
from .netpol.rendered import rendered
from .platform import ROOT, ClusterPlatform
from .summary import PASSED, Summary

RELEASE = "amas"
NAMESPACE = os.environ.get("AMAS_CLUSTER_NAMESPACE", "amas")
DEPENDENCIES = os.environ.get("AMAS_CLUSTER_DEPENDENCIES", "amas-deps")
CHART = ROOT / "out" / "charts" / "amas"
VALUES = ROOT / "charts" / "amas" / "values-testcluster.yaml"
SUMMARY = pytest.StashKey[Summary]()


def pytest_configure(config: pytest.Config) -> None:
    """One summary a session."""
    config.stash[SUMMARY] = Summary()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Prints the table and writes it as JSON."""
    summary = config.stash[SUMMARY]
    if summary.proofs:
        path = OUT / "summary.json"
        summary.write(path)
        terminalreporter.section("proofs on the cluster")
        terminalreporter.write_line(summary.table())
        terminalreporter.write_line(f"as JSON: {path.relative_to(ROOT)}")


@pytest.fixture(scope="session")
def summary(pytestconfig: pytest.Config) -> Summary:
    """Where the proofs write themselves down."""
    return pytestconfig.stash[SUMMARY]


@pytest.fixture(scope="session")
def kube() -> Kube:
    """The namespace of the release."""
    for tool in ("kubectl", "helm"):
        if shutil.which(tool) is None:
            pytest.fail(f"{tool} is not on the path: run `make test-cluster`")
    if not os.environ.get("KUBECONFIG"):
        pytest.fail("KUBECONFIG names no cluster: run `make cluster-up`, or `make test-cluster`")
    return Kube(NAMESPACE)


@pytest.fixture(scope="session")
def dependencies(kube: Kube) -> Kube:
    """The namespace of Postgres, Valkey, the issuer, the scripted model and the tool server."""
    return Kube(DEPENDENCIES)


@pytest.fixture(scope="session")
def release(kube: Kube) -> Release:
    """The umbrella chart, not installed by this fixture."""
    if not CHART.is_dir():
        pytest.fail(f"{CHART} is not there: run `make charts`")
    return Release(RELEASE, NAMESPACE, CHART, (VALUES,))


@pytest.fixture(scope="session")
def policies() -> list[dict[str, Any]]:
    """The chart's NetworkPolicies, in the matrix's namespace, each outside peer named as narrowly as can be."""
    return rendered(RELEASE, PEERS["gateway"]["namespace"], CHART, VALUES)


@pytest.fixture(scope="session")
def platform(kube: Kube, dependencies: Kube) -> ClusterPlatform:
    """The release as its clients reach it."""
    return ClusterPlatform(kube, dependencies, RELEASE)


@pytest.fixture(scope="session")
def good() -> dict[str, Any]:
    """Values of the newest release that was promoted; a proof that promotes another adds to them.

    To run single proofs on a release that stands, name what it was installed with: AMAS_CLUSTER_TAG, and other values
    by their paths as a JSON object in AMAS_CLUSTER_VALUES.
    """
    given = json.loads(os.environ.get("AMAS_CLUSTER_VALUES", "{}"))
    return {"global.image.tag": os.environ.get("AMAS_CLUSTER_TAG", "dev"), **given}


@pytest.fixture(autouse=True)
def evidence(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keeps what the cluster knows when a proof failed."""
    yield
    summary = request.config.stash[SUMMARY]
    if "kube" in request.fixturenames and summary.proofs and summary.proofs[-1].result != PASSED:
        folder = keep(summary.proofs[-1].name.replace(" ", "-"), [Kube(NAMESPACE), Kube(DEPENDENCIES)])
        print(f"kept what the cluster knows in {folder}")


@pytest.fixture(scope="session")
def out() -> Path:
    """Where the proofs leave their files."""
    OUT.mkdir(parents=True, exist_ok=True)
    return OUT
