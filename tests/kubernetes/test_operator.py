"""The operator between a real API server and the real platform: what kubectl says comes into force, and says so."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway_client import GatewayClient
from tests.integration.ports import free_port
from tests.local_platform import CONTRACTS, LocalPlatform, running_platform
from tests.waiting import wait_for

from .api_server import ApiServer
from .conftest import running_api_server
from .operators import Operators, answers

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
RELEASE_NOTES = CONTRACTS / "release-notes"
QUOTA = """
apiVersion: amas.dev/v1alpha1
kind: Quota
metadata: {name: outage}
spec: {subject: {tenant: acme}, window: day, calls: 1000000}
"""
ROLES = ("historian", "analyst", "writer", "publisher")


@pytest.fixture(scope="module")
def platform(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPlatform]:
    """A whole platform; not even begun where there is no API server."""
    with running_platform(tmp_path_factory.mktemp("platform")) as found:
        yield found


@pytest.fixture
def operators(
    api_server: ApiServer, platform: LocalPlatform, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Operators]:
    """Operators of a namespace of this test's own."""
    namespace = request.node.name.replace("_", "-")[:60].strip("-")
    found = Operators(api_server, platform, namespace, tmp_path)
    found.prepare()
    try:
        yield found
    finally:
        found.end_all()


def test_the_life_of_resources(operators: Operators, platform: LocalPlatform) -> None:
    """Applied by kubectl they come into force as by `amas apply`; mistakes are told; deleted, they are gone."""
    port = free_port()
    operators.start("one", port)
    operators.apply("-f", str(RELEASE_NOTES), "-f", str(platform.home / "resources"))
    wanted = {f"AgentRole/{name}": "Applied" for name in ROLES}
    found = operators.become(wanted | {"Orchestration/release-notes": "Applied", "ModelRoute/default": "Applied"})
    assert {condition["reason"] for condition in found.values()} == {"Applied"}
    platform.login("developer")
    # Nothing that `amas apply` of the same files would change: exit code 0.
    platform.command("diff", "-f", str(RELEASE_NOTES), "--as", "developer")

    broken = {"apiVersion": "amas.dev/v1alpha1", "kind": "AgentRole", "metadata": {"name": "lost"}}
    writer = json.loads(operators.server.kubectl("get", "ar", "writer", "-n", operators.namespace, "-o", "json").out)
    spec = {**writer["spec"], "model": {"route": "nowhere"}, "tools": []}
    operators.apply("-f", "-", given=json.dumps({**broken, "spec": spec}))
    refused = operators.become({"AgentRole/lost": "Refused", "AgentRole/writer": "Applied"})["AgentRole/lost"]
    assert "nowhere" in refused["message"]
    assert refused["bundle"] == ""

    operators.server.kubectl("delete", "ar", "writer", "-n", operators.namespace, "--wait=false")
    kept = operators.become({"AgentRole/writer": "StillNeeded", "Orchestration/release-notes": "Applied"})
    assert "unknown role writer" in kept["AgentRole/writer"]["message"]
    gone = operators.server.kubectl("delete", "orch,ar", "--all", "-n", operators.namespace, "--timeout=60s")
    assert gone.code == 0, gone.err + operators.log("one")
    left = platform.command("get", "roles", "--as", "developer", "--output", "json", expect=None)
    assert "writer" not in left

    assert 'amas_operator_resources{ready="false"} 0.0' in answers(port, "/metrics")
    assert operators.end("one", signal.SIGTERM) == 0
    assert operators.holder() == ""


def test_another_takes_over_when_the_one_at_work_dies(operators: Operators, platform: LocalPlatform) -> None:
    """Killed without a word; what was changed meanwhile comes into force."""
    ports = {name: free_port() for name in ("one", "two")}
    operators.start("one", ports["one"])
    wait_for("the first is at work", lambda: operators.holder() == "one", 60, every=0.5)
    operators.start("two", ports["two"])
    wait_for("the second is ready", lambda: "ready" in answers(ports["two"], "/readyz"), 60, every=0.5)
    assert "amas_operator_leading 0.0" in answers(ports["two"], "/metrics")
    operators.end("one", signal.SIGKILL)
    operators.apply("-f", str(platform.home / "resources"))
    operators.become({"ModelRoute/default": "Applied", "ModelProvider/local": "Applied"})
    assert operators.holder() == "two"
    assert "amas_operator_leading 1.0" in answers(ports["two"], "/metrics")


def test_what_a_tenants_policy_forbids_is_refused(operators: Operators, platform: LocalPlatform) -> None:
    """An operator may do what its principal may: a principal of no such role gets its refusal onto the resource."""
    operators.start("one", free_port(), principal="auditor")
    operators.apply("-f", "-", given=(platform.home / "resources" / "model.yaml").read_text())
    found = operators.become({"ModelRoute/default": "Refused"})
    assert found["ModelRoute/default"]["status"] == "False"


def test_runs_are_shown_by_kubectl(operators: Operators, platform: LocalPlatform) -> None:
    """A run that waits for its approval, as the platform has it, without what it was given."""
    platform.apply_release_notes()
    run = platform.start_run()
    operators.start("one", free_port())

    def shown() -> str:
        return operators.server.kubectl("get", "runs", "-n", operators.namespace, "--no-headers").out

    wait_for("kubectl shows that it waits", lambda: "waiting" in shown(), 90, every=0.5)
    assert shown().split()[:4] == [run, "release-notes", "waiting", "1"]
    platform.command("cancel", run, "--as", "developer")
    wait_for("kubectl shows its end", lambda: "cancelled" in shown(), 60, every=0.5)
    held = json.loads(operators.server.kubectl("get", "run", run, "-n", operators.namespace, "-o", "json").out)
    told = GatewayClient(platform.status()["endpoints"]["api"], platform.token()).run(run)
    assert held["status"]["traceId"] == told["traceId"]
    assert held["status"]["cost"] == told["usage"]["cost"]["amount"]
    assert "repository" not in json.dumps(held["status"])


def test_an_api_server_that_comes_back_is_gone_on_with(platform: LocalPlatform, tmp_path: Path) -> None:
    """The process lives on without its lease, and takes it up again: what is written then comes into force."""
    with running_api_server(_folder(tmp_path / "server")) as server:
        operators = Operators(server, platform, "outage", tmp_path)
        operators.prepare()
        try:
            operators.start("one", free_port())
            operators.apply("-f", str(platform.home / "resources"))
            operators.become({"ModelRoute/default": "Applied"})
            with server.away():
                wait_for("it has lost its lease", lambda: "the lease is lost" in operators.log("one"), 60, every=0.5)
            operators.apply("-f", "-", given=QUOTA)
            operators.become({"Quota/outage": "Applied"})
            assert operators.end("one", signal.SIGTERM) == 0
        finally:
            operators.end_all()


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
