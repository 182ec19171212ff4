"""The set-up program on a real API server: as the service account and under the Role that the chart gives it."""

from __future__ import annotations

import base64
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .api_server import ApiServer

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
ACCOUNT = "amas-setup"
TIMEOUT_S = 120
PAIRS = ("gateway", "orchestrator", "ai-router", "audit", "policy-sidecar", "auditor")
ROLES = (
    *("audit", "audit-owner", "audit-eraser", "audit-dropper"),
    *("orchestrator", "orchestrator-owner", "orchestrator-scaler"),
    *("ai-router", "ai-router-owner"),
)
OWN = (
    *(f"amas-{name}-tls" for name in PAIRS),
    *(f"amas-postgres-{role}" for role in ROLES),
    *("amas-ca", "amas-audit-signing-key", "amas-audit-master-key", "amas-pseudonyms", "amas-opa"),
)
_numbers = itertools.count(1)


class Namespace:
    """A namespace with the program's account in it, and runs of the program."""

    def __init__(self, server: ApiServer, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._processes: list[subprocess.Popen[str]] = []
        self.name = f"set-up-{next(_numbers)}"
        self._make("create", "namespace", self.name)
        self._make("create", "serviceaccount", ACCOUNT, "-n", self.name)
        # As charts/amas/templates/_setup.tpl has it: making is free, reading and changing is of its own Secrets.
        names = [f"--resource-name={name}" for name in OWN]
        self._allow("make", "--verb=create")
        self._allow("keep", "--verb=get,patch", *names)
        self.token = self._make("create", "token", ACCOUNT, "-n", self.name).strip()

    def start(self, *arguments: str, token: str = "", url: str = "", **changes: Any) -> subprocess.Popen[str]:
        """The program, under way."""
        document = {"release": "amas", "namespace": self.name, "labels": {"app.kubernetes.io/part-of": "amas"}}
        file, config = self._folder / "setup.json", self._folder / "kubeconfig"
        file.write_text(json.dumps(document | changes))
        config.write_text(
            self._server.kubeconfig()
            .read_text()
            .replace(self._server.tokens["admin"], token or self.token)
            .replace(self._server.url, url or self._server.url)
        )
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "amas_cli.cluster.setup", "--file", str(file), *arguments],
            env={"PATH": os.environ["PATH"], "HOME": str(self._folder), "KUBECONFIG": str(config)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._processes.append(process)
        return process

    def end_all(self) -> None:
        """Ends what a test that failed left under way, and closes its pipes."""
        for process in self._processes:
            with process:
                process.kill()

    def run(self, *arguments: str, code: int = 0, **changes: Any) -> list[dict[str, Any]]:
        """The program's lines, once it ended with that code."""
        return ended(self.start(*arguments, **changes), code)

    def patch(self, secret: str, patch: str) -> None:
        """Changes a Secret as the administrator."""
        self._make("patch", "secret", secret, "-n", self.name, "--type=merge", "-p", patch)

    def secrets(self) -> dict[str, dict[str, Any]]:
        """All Secrets by name, as the administrator sees them."""
        found = json.loads(self._make("get", "secrets", "-n", self.name, "-o", "json"))["items"]
        return {one["metadata"]["name"]: one for one in found}

    def _allow(self, role: str, *rule: str) -> None:
        self._make("create", "role", role, "-n", self.name, "--resource=secrets", *rule)
        subject = f"--serviceaccount={self.name}:{ACCOUNT}"
        self._make("create", "rolebinding", role, "-n", self.name, f"--role={role}", subject)

    def _make(self, *arguments: str) -> str:
        done = self._server.kubectl(*arguments)
        assert done.code == 0, done.err
        return done.out


def ended(process: subprocess.Popen[str], code: int = 0) -> list[dict[str, Any]]:
    """Its lines. No value of any Secret may be in them: whoever calls looks."""
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, out) == (code, ""), err
    return [json.loads(line) for line in err.splitlines()]


@pytest.fixture
def namespace(api_server: ApiServer, tmp_path: Path) -> Iterator[Namespace]:
    made = Namespace(api_server, tmp_path)
    yield made
    made.end_all()


def versions(secrets: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: str(secret["metadata"]["resourceVersion"]) for name, secret in secrets.items()}


def test_setting_up_twice_makes_all_once(namespace: Namespace) -> None:
    """With leave to create Secrets, and to get and patch its own; the second time none is written; none is logged."""
    lines = namespace.run()
    made = namespace.secrets()
    assert set(made) == set(OWN)
    assert {secret["metadata"]["labels"]["app.kubernetes.io/part-of"] for secret in made.values()} == {"amas"}
    assert made["amas-gateway-tls"]["type"] == "kubernetes.io/tls"
    assert set(made["amas-gateway-tls"]["data"]) == {"tls.crt", "tls.key", "ca.crt"}
    told = json.dumps(lines + namespace.run())
    assert versions(namespace.secrets()) == versions(made)
    for secret in made.values():
        for value in secret["data"].values():
            assert base64.b64decode(value).decode().strip() not in told


def test_rotation_writes_the_certificates_and_nothing_else(namespace: Namespace) -> None:
    """All that it is asked for is renewed; the authority, passwords and keys stay."""
    namespace.run()
    before = versions(namespace.secrets())
    assert namespace.run("--rotate", "certificates", "--within", "10")[-1]["renewed"] == 0
    assert versions(namespace.secrets()) == before
    assert namespace.run("--rotate", "certificates")[-1]["renewed"] == 6
    after = versions(namespace.secrets())
    assert {name for name in before if after[name] != before[name]} == {
        name for name in before if name.endswith("-tls")
    }


def test_the_authority_is_replaced_step_by_step(namespace: Namespace) -> None:
    """The second authority stands beside the first, in every Secret; a hasty second step is refused and says when."""
    namespace.run()
    first = namespace.secrets()["amas-ca"]["data"]["ca.crt"]
    namespace.run("--rotate", "authority")
    now = namespace.secrets()
    assert set(now["amas-ca"]["data"]) == {"ca.crt", "ca.key", "next.crt", "next.key", "since"}
    both = base64.b64decode(first) + base64.b64decode(now["amas-ca"]["data"]["next.crt"])
    told = {base64.b64decode(secret["data"]["ca.crt"]) for name, secret in now.items() if name.endswith("-tls")}
    assert told == {both}
    refused = namespace.run("--rotate", "authority", code=6)[-1]
    assert "may not have read it" in refused["message"]
    assert versions(namespace.secrets()) == versions(now)
    settle = json.dumps({"data": {"since": base64.b64encode(b"2026-01-01T00:00:00+00:00").decode()}})
    for kept in ({"ca.crt", "ca.key", "previous.crt", "since"}, {"ca.crt", "ca.key"}):
        namespace.patch("amas-ca", settle)
        namespace.run("--rotate", "authority")
        # What the step leaves out is gone from the Secret.
        assert set(namespace.secrets()["amas-ca"]["data"]) == kept
    assert namespace.secrets()["amas-ca"]["data"]["ca.crt"] == now["amas-ca"]["data"]["next.crt"]


def test_two_that_set_up_at_once_make_one_installation(namespace: Namespace) -> None:
    """A Job that is started twice: both end well, and certificates are of the one authority."""
    both = [namespace.start(), namespace.start()]
    for process in both:
        ended(process)
    made = namespace.secrets()
    assert {made[name]["data"]["ca.crt"] for name in made if name.endswith("-tls")} == {
        made["amas-ca"]["data"]["ca.crt"]
    }
    namespace.run()
    assert versions(namespace.secrets()) == versions(made)


def test_what_the_cluster_refuses_is_a_sentence(namespace: Namespace, api_server: ApiServer) -> None:
    """Each has its exit code, and nothing is made: no right, no namespace, no answer."""
    denied = namespace.run(token=api_server.tokens["nobody"], code=4)[-1]
    assert "403" in denied["message"]
    assert "Role" in denied["next"]
    missing = namespace.run(token=api_server.tokens["admin"], namespace="none-of-that-name", code=3)[-1]
    assert "none-of-that-name" in missing["message"]
    away = namespace.run(url="https://127.0.0.1:1", code=5)[-1]
    assert "cannot be reached" in away["message"]
    assert namespace.secrets() == {}
