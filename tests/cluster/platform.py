"""The installed platform as its clients reach it: addresses, tokens, resources, runs and their record."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ..gateway_client import TIMEOUT_S, GatewayClient
from ..waiting import wait_for
from .kube import Kube
from .load.bounds import Rates, Target
from .load.driver import BackgroundLoad, LoadDriver
from .load.outcomes import Report
from .load.verdict import lost_or_repeated, taken_over

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "policies" / "contracts" / "release-notes"
RESOURCES = Path(__file__).parent / "resources"
TOKEN_LIFE_S = 60.0
"""Tokens are asked for again after so long: far less than they live."""
RUN_TIMEOUT_S = 120.0
AUDIT_PAGE = 1000
CONNECT_TIMEOUT_S = 10.0
CLOCKS_APART = timedelta(minutes=1)
"""A cluster's clock may differ from ours by so much."""


@dataclass(frozen=True)
class Judged:
    """What the log says of some runs."""

    problems: list[str]
    """Runs lost, ended twice or with an effect twice: a sentence each."""
    taken_over: int
    """How often another executor went on with one of them."""


class ClusterPlatform:
    """A release in its namespace, and what it depends on in another.

    The Services' addresses are reached directly where the tests run on the cluster's node; elsewhere name loopback
    addresses of port-forwards in AMAS_CLUSTER_HTTP, AMAS_CLUSTER_GRPC and AMAS_CLUSTER_ISSUER (`HOST:PORT`).
    """

    def __init__(self, kube: Kube, dependencies: Kube, release: str) -> None:
        self.kube = kube
        self.dependencies = dependencies
        self._release = release
        self._tokens: dict[str, tuple[float, str]] = {}
        self._kept: dict[tuple[str, ...], str] = {}
        self._lock = threading.Lock()

    @property
    def target(self) -> Target:
        """The gateway's public ports."""
        address = self._address(self.kube, f"{self._release}-gateway")
        return Target(
            os.environ.get("AMAS_CLUSTER_HTTP", f"{address}:8000"),
            os.environ.get("AMAS_CLUSTER_GRPC", f"{address}:8001"),
        )

    def token(self, principal: str = "developer") -> str:
        """An access token of a principal, from the issuer; kept for a while. May be asked for by many threads."""
        with self._lock:
            since, token = self._tokens.get(principal, (0.0, ""))
            if not token or time.monotonic() - since > TOKEN_LIFE_S:
                token = self._new_token(principal)
                self._tokens[principal] = (time.monotonic(), token)
            return token

    def client(self, principal: str = "developer", timeout_s: float = TIMEOUT_S) -> GatewayClient:
        """The REST API as a principal."""
        return GatewayClient(f"http://{self.target.http}/v1", self.token(principal), timeout_s)

    @property
    def database(self) -> str:
        """The address of Postgres, for whoever resolves no names of the cluster."""
        return self._address(self.dependencies, "postgres")

    def apply(self, *files: Path) -> dict[str, Any]:
        """Applies resources as the developer.

        Raises:
            ProblemError: one of them was refused.
        """
        listed = [{"name": file.name, "content": file.read_text()} for file in files]
        return dict(self.client().call("POST", "/resources:apply", {"files": listed}))

    def apply_load(self) -> dict[str, Any]:
        """The orchestrations of the load, the shipped roles that they use, and the cluster's model and tool server."""
        return self.apply(CONTRACTS / "analyst.yaml", CONTRACTS / "writer.yaml", *sorted(RESOURCES.glob("*.yaml")))

    def start(self, orchestration: str, number: int) -> str:
        """Starts a run and answers its id."""
        return self.client().start(orchestration, load_input(number))

    def run_to_end(self, number: int = 0) -> dict[str, Any]:
        """Starts a run of the load and answers it as it ended."""
        run = self.start("load", number)
        return wait_for(f"the end of {run}", lambda: self.client().ended(run), RUN_TIMEOUT_S, every=0.5)

    def load(self, rates: Rates, *, orchestration: str = "load") -> BackgroundLoad:
        """A load that is not begun yet."""
        self.token()  # so that the first requests do not wait for it
        return BackgroundLoad(
            LoadDriver(self.target, self.token, rates, orchestration=orchestration, input_of=load_input)
        )

    def record(self, run: str) -> list[dict[str, Any]]:
        """All entries of a run in the audit log."""
        return self._entries({"runId": run})

    def judge(self, report: Report, *, may_fail: bool = False) -> Judged:
        """What the audit log says of a load's runs: of all of them at once, as each query is an entry too."""
        since = datetime.fromtimestamp(report.begun_at, UTC) - CLOCKS_APART
        runs = set(report.runs)
        entries = [one for one in self._entries({"since": since.isoformat()}) if one["event"]["runId"] in runs]
        return Judged(lost_or_repeated(report.runs, entries, may_fail=may_fail), taken_over(entries))

    def _entries(self, query: dict[str, str]) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = []
        token: str | None = ""
        while token is not None:
            page = query | {"pageSize": str(AUDIT_PAGE)} | ({"pageToken": token} if token else {})
            answer = self.client("auditor").call("GET", f"/audit/events?{urllib.parse.urlencode(page)}")
            entries += answer["entries"]
            token = answer.get("nextPageToken") or None
        return entries

    def _address(self, kube: Kube, service: str) -> str:
        return self._once(
            ("address", kube.namespace, service), lambda: kube.get("service", service)["spec"]["clusterIP"]
        )

    def _secret(self, name: str, key: str) -> str:
        return self._once(("secret", name, key), lambda: self.dependencies.secret(name, key))

    def _once(self, name: tuple[str, ...], look: Callable[[], str]) -> str:
        """What does not change while the tests run is asked for once: a load asks for tokens all the time."""
        if name not in self._kept:
            self._kept[name] = look()
        return self._kept[name]

    def _issuer(self) -> NamedConnection:
        address = os.environ.get("AMAS_CLUSTER_ISSUER", f"{self._address(self.dependencies, 'issuer')}:8443")
        trust = ssl.create_default_context(cadata=self._secret("issuer-ca", "ca.crt"))
        return NamedConnection(address, f"issuer.{self.dependencies.namespace}.svc", trust)

    def _new_token(self, principal: str) -> str:
        secret = self._secret("issuer-clients", principal)
        form = {"grant_type": "client_credentials", "client_id": principal, "client_secret": secret}
        connection = self._issuer()
        try:
            connection.request(
                "POST", "/token", urllib.parse.urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"}
            )
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        assert answer.status == 200, f"the issuer gave no token to {principal}: {answer.status} {body[:300]!r}"
        return str(json.loads(body)["access_token"])


class NamedConnection(http.client.HTTPSConnection):
    """HTTPS to an address, with the certificate of a name that resolves in the cluster alone."""

    def __init__(self, address: str, name: str, trust: ssl.SSLContext) -> None:
        host, _, port = address.rpartition(":")
        super().__init__(name, int(port), timeout=CONNECT_TIMEOUT_S, context=trust)
        self._host = host
        self._trust = trust

    def connect(self) -> None:
        """Connects to the address, and asks for the name."""
        plain = socket.create_connection((self._host, self.port), timeout=CONNECT_TIMEOUT_S)
        self.sock = self._trust.wrap_socket(plain, server_hostname=self.host)


def load_input(number: int) -> dict[str, Any]:
    """The input of the n-th run: one commit that no other run has."""
    name = hashlib.sha256(f"{time.time_ns()} {number}".encode()).hexdigest()[:40]
    return {"commits": [{"hash": name, "date": "2026-01-01", "author": "Load", "subject": f"feat: number {number}"}]}
