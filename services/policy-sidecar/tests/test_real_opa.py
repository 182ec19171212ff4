"""The whole service as a process of its own with a real OPA beside it, as both stand in a pod."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from amas.common.v1 import decision_pb2
from amas.policy.v1 import policy_pb2
from amas_chassis import telemetry
from amas_chassis.rpc_errors import from_rpc_error
from amas_governance.bundle import Bundle, PolicySet
from amas_governance.resources import parse_manifest

from tests.integration.policies.opa_beside import OpaProcess, free_port, make_key

from .audit_service import serve_audit
from .manifests import ROUTE
from .processes import eventually
from .test_service import GIT, POLICIES, PUBLISHER, Sidecar, enforce, refused

# Each test starts a service, an OPA and a tool server, which on a machine with much else to do takes minutes.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

LOG = "dev.amas.policy.decided"
# Bound of a hang, in seconds: on a machine with much else to do a start alone has taken a minute.
STARTED = 150.0
PLANTED = "planted-argument-4f9a"


def bundle(pin: str | None) -> Bundle:
    """The resources under the shipped policies as sources: OPA has no use for the compiled ones."""
    git = {**GIT, "spec": {**GIT["spec"], **({"pin": pin} if pin else {})}}  # type: ignore[dict-item]
    modules = {str(p.relative_to(POLICIES)): p.read_text() for p in sorted(POLICIES.rglob("policy.rego"))}
    return Bundle.build([parse_manifest(manifest) for manifest in (PUBLISHER, git, ROUTE)], PolicySet(modules))


class SidecarProcess(Sidecar):
    """The service by its own main function, configured by its environment alone, and the OPA beside it."""

    async def start(self) -> None:
        self._audit_server = await serve_audit(self.audit, self._tls("audit"))
        scheme, _, rest = self._redis_url.partition("://:")
        password, _, place = rest.partition("@")
        (self.folder / "redis-password").write_text(password)
        (self.folder / "token").write_text("token-of-opa")
        private, public = make_key(self.folder, "amas")
        tls, self.listen = self._tls("policy-sidecar"), f"unix:{self.folder}/policy.sock"
        api, self.http = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self.opa = OpaProcess(self.folder, api, {"amas": public})
        settings = {
            "GRPC_LISTEN": self.listen,
            "HTTP_LISTEN": self.http,
            "TLS_CERT_FILE": tls.cert,
            "TLS_KEY_FILE": tls.key,
            "TLS_CA_FILE": tls.ca,
            "AUDIT_TARGET": self._audit_server.address,
            "REDIS_URL": f"{scheme}://default@{place}",
            "REDIS_PASSWORD_FILE": self.folder / "redis-password",
            "TOOLS_WORKDIR": self.folder,
            "OPA_SOCKET": self.opa.socket,
            "OPA_API_LISTEN": api,
            "OPA_TOKEN_FILE": self.folder / "token",
            "OPA_SIGNING_KEY_FILE": private,
        }
        environment = {f"AMAS_POLICY_SIDECAR_{name}": str(value) for name, value in settings.items()}
        with (self.folder / "sidecar.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: ASYNC220 - it starts at once
                [sys.executable, "-m", "amas_policy_sidecar"],
                stderr=log,
                env={**environment, "PATH": "/usr/bin:/bin", "HOME": str(self.folder)},
            )
        self.opa.start()
        await self.ready()
        self.orchestrator, self.router = self._client("orchestrator"), self._client("ai-router")
        # Nothing is revoked, and that is known: without it nothing would be allowed.
        await self.orchestrator.stub.SyncRevocations(policy_pb2.SyncRevocationsRequest(version=1))

    async def stop(self) -> None:
        for channels in self._channels:
            await channels.close()
        self.process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(self.process.wait, 100)
        self.opa.stop()
        await self._audit_server.drain(0)
        assert code == 0, (self.folder / "sidecar.log").read_text()

    async def ready(self) -> None:
        """Returns once /readyz says so."""
        await self.until(lambda failing: failing == {})

    async def until(self, holds: Callable[[dict[str, str] | None], bool]) -> None:
        """Returns once what /readyz says is as asked for."""
        async with asyncio.timeout(STARTED):
            while not holds(await self.failing()):  # noqa: ASYNC110 - another process sets no event of ours
                await asyncio.sleep(0.05)

    async def failing(self) -> dict[str, str] | None:
        """What /readyz says is failing; None while there is no answer."""

        def ask() -> dict[str, str] | None:
            try:
                with urllib.request.urlopen(f"http://{self.http}/readyz", timeout=10):
                    return {}
            except urllib.error.HTTPError as error:
                return dict(json.loads(error.read()).get("failing", {}))
            except OSError:
                return None

        return await asyncio.to_thread(ask)

    def logs(self) -> dict[str, Any]:
        """What OPA says that it decided, by the trace of the call."""
        return {event.trace_id: event for event in self.audit.events.values() if event.type == LOG}

    def decided(self) -> dict[str, Any]:
        """What the sidecar says that OPA decided, by the trace of the call; a fault of the engine is no decision."""
        events = [event for event in self.audit.events.values() if event.type != LOG and "outcome" not in event.id]
        return {event.trace_id: event for event in events if not json.loads(event.data_json).get("fault")}


@pytest.fixture
async def sidecar(tmp_path: Path, certificates: Any, redis_url: str) -> AsyncIterator[SidecarProcess]:
    telemetry.configure("test", None)
    made = SidecarProcess(tmp_path, certificates, redis_url)
    await made.start()
    yield made
    await made.stop()


async def pinned_bundle(sidecar: SidecarProcess) -> Bundle:
    """The bundle with the pin that the live server has, loaded."""
    fresh = bundle(None)
    await sidecar.load(fresh)
    asked = policy_pb2.DescribeToolServerRequest(bundle=fresh.digest, server="git")
    pinned = bundle((await sidecar.orchestrator.stub.DescribeToolServer(asked)).pin)
    await sidecar.load(pinned)
    return pinned


async def enforced(sidecar: SidecarProcess, request: policy_pb2.EnforceRequest) -> policy_pb2.EnforceResponse:
    """The answer once the engine decides again; until then it says why it does not."""
    async with asyncio.timeout(STARTED):
        while True:
            try:
                return await sidecar.orchestrator.stub.Enforce(request)
            except grpc.aio.AioRpcError as failure:
                if from_rpc_error(failure).reason != "POLICY_ENGINE_UNAVAILABLE":
                    raise
                await asyncio.sleep(0.05)


async def test_a_real_opa_decides_about_a_real_tool_call(sidecar: SidecarProcess) -> None:
    """I1, I10: allowed and escalated by OPA under the pinned bundle, done by the tool, and both witnesses agree."""
    pinned = await pinned_bundle(sidecar)
    answer = await enforced(sidecar, enforce(pinned, "git/git_log", "k1"))
    assert answer.outcome == policy_pb2.OUTCOME_SUCCEEDED
    assert "the first" in answer.result_text
    asked = await enforced(sidecar, enforce(pinned, "git/git_commit", "k2", message=f"docs: {PLANTED}"))
    assert asked.decision.effect == decision_pb2.EFFECT_ESCALATE
    assert sidecar.commits() == ["the first"]
    decided = sidecar.decided()
    assert len(decided) == 2
    await eventually(lambda: decided.keys() <= sidecar.logs().keys())
    for trace_id, own in decided.items():
        witness, decision = sidecar.logs()[trace_id], json.loads(own.data_json)["decision"]
        log = json.loads(witness.data_json)
        assert (log["effect"], log["codes"]) == (decision["effect"], [r["code"] for r in decision["reasons"]])
        assert (witness.bundle, witness.tenant) == (pinned.digest, "acme")
    assert not any(PLANTED in witness.data_json for witness in sidecar.logs().values())


async def test_without_opa_nothing_happens_and_its_return_heals(sidecar: SidecarProcess) -> None:
    """I2: the engine is gone: UNAVAILABLE with a reason, no call, not ready; back, the same key is done."""
    pinned = await pinned_bundle(sidecar)
    sidecar.opa.stop()
    request = enforce(pinned, "git/git_log", "k1")
    error = await refused(sidecar.orchestrator.stub.Enforce(request))
    assert error.reason == "POLICY_ENGINE_UNAVAILABLE"
    (denied,) = sidecar.audit.events.values()
    assert denied.type == "dev.amas.action.denied"
    assert json.loads(denied.data_json)["fault"] == "POLICY_ENGINE_GONE"
    await sidecar.until(lambda failing: "policy engine" in (failing or {}))
    sidecar.opa.start()
    await sidecar.ready()
    assert (await enforced(sidecar, request)).outcome == policy_pb2.OUTCOME_SUCCEEDED


async def test_the_end_waits_for_the_log_of_the_last_decision(sidecar: SidecarProcess) -> None:
    """I12: told to stop right after a decision, the service still puts OPA's log of it on record."""
    pinned = await pinned_bundle(sidecar)
    await enforced(sidecar, enforce(pinned, "git/git_log", "k1"))
    sidecar.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(sidecar.process.wait, 100) == 0
    (decision,) = sidecar.decided()
    assert decision in sidecar.logs()
