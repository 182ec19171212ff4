"""The program of `helm test`, against a whole platform: what passes, and that it fails when something is missing."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.ports import free_port

from ..gateway_client import GatewayClient
from ..local_platform import LocalPlatform
from ..waiting import wait_for

pytestmark = pytest.mark.e2e
TIMEOUT_S = 180
SERVER = Path(__file__).parent / "files_over_http.py"


@pytest.fixture
def environment(platform: LocalPlatform) -> dict[str, str]:
    """As the chart sets it for the scripted model, with the development issuer's client."""
    endpoints = platform.status()["endpoints"]
    resources = (platform.home / "resources" / "model.yaml").read_text()
    return {
        "AMAS_GATEWAY_URL": endpoints["api"].removesuffix("/v1"),
        "AMAS_TEST_OIDC_ISSUER": endpoints["issuer"],
        "AMAS_TEST_CLIENT_ID": "developer",
        "AMAS_TEST_CLIENT_SECRET_FILE": str(platform.home / "issuer" / "clients" / "developer"),
        "AMAS_TEST_MODEL_BASE_URL": next(line.split('"')[1] for line in resources.splitlines() if "baseUrl" in line),
        "AMAS_TEST_AUDIT_KEY_FILE": str(platform.home / "audit.pub"),
        "AMAS_TEST_TIMEOUT": str(TIMEOUT_S - 60),
    }


def smoke(environment: dict[str, str], **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "amas_cli.cluster.smoke"],
        env={"PATH": os.environ["PATH"], **environment, **changes},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@contextlib.contextmanager
def files_over_http() -> Iterator[str]:
    """A tool server; yields its URL."""
    port = free_port()
    process = subprocess.Popen([sys.executable, str(SERVER), str(port)])

    def listens() -> bool:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True

    try:
        wait_for("the tool server listens", listens, 60)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        process.wait(60)


def resources_of(developer: GatewayClient) -> set[tuple[str, str]]:
    found = developer.call("GET", "/resources?pageSize=200")["resources"]
    return {(one["kind"], one["name"]) for one in found}


def test_an_installation_passes_and_is_left_as_it_was(
    platform: LocalPlatform, environment: dict[str, str], developer: GatewayClient
) -> None:
    """From a token to the proof of the record, over a model and a tool of its own; nothing of it stays applied."""
    before = resources_of(developer)
    with files_over_http() as url:
        done = smoke(
            environment,
            AMAS_TEST_TOOL_URL=url,
            AMAS_TEST_TOOL_NETWORKS="127.0.0.0/8",
            AMAS_TEST_TOOL_ARGUMENTS=json.dumps({"path": "folder"}),
        )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    passed = ["gateway", "tools", "apply", "run", "record", "clean", "done", "PASSED"]
    assert [line.split()[0] for line in lines] == passed
    assert "verified" in lines[4].lower()
    secret = (platform.home / "issuer" / "clients" / "developer").read_text().strip()
    assert secret not in done.stdout + done.stderr
    assert resources_of(developer) == before


def test_a_run_of_ones_own_over_a_route_that_is_there(
    platform: LocalPlatform, environment: dict[str, str], tmp_path: Path
) -> None:
    """A user's installation has a route and a token of its own: neither model nor client is made up."""
    token = tmp_path / "token"
    token.write_text(platform.token("developer"))
    theirs = {name: value for name, value in environment.items() if "OIDC" not in name and "CLIENT" not in name}
    del theirs["AMAS_TEST_MODEL_BASE_URL"], theirs["AMAS_TEST_AUDIT_KEY_FILE"]
    done = smoke(theirs, AMAS_TEST_TOKEN_FILE=str(token), AMAS_TEST_MODEL_ROUTE="default")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"AMAS_TEST_CLIENT_ID": "nobody"}, 4, "refused 'nobody'"),
        ({"AMAS_TEST_MODEL_BASE_URL": "http://127.0.0.1:1/v1", "AMAS_TEST_TIMEOUT": "20"}, 5, "longer than 20 s"),
        ({"AMAS_TEST_TOOL_URL": "http://127.0.0.1:1/mcp", "AMAS_TEST_TOOL_NETWORKS": "127.0.0.0/8"}, 5, ""),
        ({"AMAS_TEST_TYPO": "x"}, 2, "AMAS_TEST_TYPO"),
    ],
)
def test_what_is_broken_fails_the_test(
    environment: dict[str, str], developer: GatewayClient, changes: dict[str, str], code: int, said: str
) -> None:
    """A test that cannot fail proves nothing: each part that is missing has its sentence and exit code."""
    before = resources_of(developer)
    done = smoke(environment, **changes)
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stderr
    assert done.stdout.splitlines()[-1] == "FAILED"
    assert "Traceback" not in done.stderr
    assert resources_of(developer) == before


def test_a_record_that_does_not_verify_fails_the_test(environment: dict[str, str], tmp_path: Path) -> None:
    """With the key of another log the record is somebody else's word."""
    known = Path(environment["AMAS_TEST_AUDIT_KEY_FILE"]).read_text()
    name, _, _ = known.partition("+")
    other = tmp_path / "other.pub"
    other.write_text(f"{name}+00000000+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n")
    done = smoke(environment, AMAS_TEST_AUDIT_KEY_FILE=str(other))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "does not verify" in done.stderr
