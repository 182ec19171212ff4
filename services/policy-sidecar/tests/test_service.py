"""The whole service as orchestrator and ai-router see it: over its socket, with real policies, tools and quotas."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from amas.common.v1 import decision_pb2, identity_pb2, label_pb2
from amas.policy.v1 import policy_pb2, policy_pb2_grpc
from amas_chassis import telemetry
from amas_chassis.channels import Client, ClientChannels
from amas_chassis.errors import AmasError
from amas_chassis.lifecycle import Lifecycle
from amas_chassis.rpc_errors import from_rpc_error
from amas_chassis.tls import TlsFiles
from amas_governance.bundle import Bundle, PolicySet
from amas_governance.resources import parse_manifest
from amas_policy_sidecar.adapters import audit_client
from amas_policy_sidecar.bootstrap import wire
from amas_policy_sidecar.settings import Settings
from prometheus_client import CollectorRegistry

from .audit_service import AuditService, serve_audit
from .manifests import ROUTE, role
from .processes import command_of, eventually, make_repository

# Each test starts the service and a tool server, which on a machine with much else to do takes minutes.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

POLICIES = Path(__file__).parents[3] / "policies"
API = "amas.dev/v1alpha1"
# Anybody may have written what git shows, so its results are untrusted; the publisher may read and, approved, commit.
PUBLISHER = role(
    "publisher",
    [
        {"name": "git/git_log"},
        {"name": "git/git_add", "untrusted": "allow"},
        {
            "name": "git/git_commit",
            "arguments": {"properties": {"message": {"pattern": "^docs: "}}},
            "approval": {
                "from": ["release-managers"],
                "quorum": 1,
                "fourEyes": True,
                "expiresIn": "30m",
                "remindAfter": "5m",
                "escalate": [{"after": "10m", "to": ["directors"]}],
            },
            "limits": {"calls": 1},
        },
    ],
)
GIT = {
    "apiVersion": API,
    "kind": "ToolServer",
    "metadata": {"name": "git"},
    "spec": {
        "transport": {
            "stdio": {
                "command": ["mcp-server-git", "--repository", "repository"],
                "sandbox": {"writable": ["repository"]},
            }
        },
        "tools": {
            "git_log": {"effect": "read", "idempotent": True},
            "git_add": {"effect": "write", "idempotent": True},
            "git_commit": {"effect": "write"},
        },
    },
}


def bundle(pin: str | None) -> Bundle:
    """The resources under the shipped policies, compiled as they are committed."""
    git = {**GIT, "spec": {**GIT["spec"], **({"pin": pin} if pin else {})}}  # type: ignore[dict-item]
    policies = PolicySet(wasm=(POLICIES / "build" / "policy.wasm").read_bytes())
    return Bundle.build([parse_manifest(manifest) for manifest in (PUBLISHER, git, ROUTE)], policies)


class Sidecar:
    """The running service, its callers, and the log that it writes to."""

    def __init__(self, folder: Path, certificates: Any, redis_url: str) -> None:
        self.folder = folder
        self.repository = make_repository(folder / "repository")
        self.audit = AuditService()
        self._certificates = certificates
        self._redis_url = redis_url
        self._channels: list[ClientChannels] = []
        self._stop = asyncio.Event()

    async def start(self) -> None:
        self._audit_server = await serve_audit(self.audit, self._tls("audit"))
        password_file = self.folder / "redis-password"
        scheme, _, rest = self._redis_url.partition("://:")
        password, _, place = rest.partition("@")
        password_file.write_text(password)
        tls = self._tls("policy-sidecar")
        self.listen = f"unix:{self.folder}/policy.sock"
        settings = Settings(
            grpc_listen=self.listen,
            http_listen="127.0.0.1:0",
            tls_cert_file=tls.cert,
            tls_key_file=tls.key,
            tls_ca_file=tls.ca,
            audit_target=self._audit_server.address,
            redis_url=f"{scheme}://default@{place}",
            redis_password_file=password_file,
            tools_workdir=self.folder,
            drain_timeout=5.0,
        )
        self._life = asyncio.create_task(Lifecycle(wire(settings, CollectorRegistry())).run(self._stop))
        await eventually(lambda: (self.folder / "policy.sock").exists() or self._life.done())
        self.orchestrator, self.router = self._client("orchestrator"), self._client("ai-router")
        await self.orchestrator.stub.SyncRevocations(policy_pb2.SyncRevocationsRequest(version=1))

    async def stop(self) -> None:
        if self._stop.is_set():
            return
        for channels in self._channels:
            await channels.close()
        self._stop.set()
        assert await self._life, "the service did not end well"
        await self._audit_server.drain(0)

    def commits(self) -> list[str]:
        command = ["git", "-C", str(self.repository), "log", "--format=%s"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")[:-1]

    def _tls(self, service: str) -> TlsFiles:
        files = self._certificates.files(service)
        return TlsFiles(cert=files.cert, key=files.key, ca=files.ca)

    def _client(self, caller: str) -> Client[Any]:
        channels = ClientChannels(self._tls(caller), caller)
        self._channels.append(channels)
        return channels.client(policy_pb2_grpc.PolicyServiceStub, self.listen, "policy-sidecar", default_timeout=90.0)

    async def load(self, loaded: Bundle) -> None:
        request = policy_pb2.LoadBundleRequest(digest=loaded.digest, content=loaded.content)
        await self.orchestrator.stub.LoadBundle(request)

    async def accepted(self) -> Bundle:
        """The bundle with the pin that the live server has, loaded."""
        fresh = bundle(None)
        await self.load(fresh)
        asked = policy_pb2.DescribeToolServerRequest(bundle=fresh.digest, server="git")
        live = await self.orchestrator.stub.DescribeToolServer(asked)
        assert live.accepted_pin == ""
        pinned = bundle(live.pin)
        await self.load(pinned)
        return pinned


@pytest.fixture
async def sidecar(tmp_path: Path, certificates: Any, redis_url: str) -> AsyncIterator[Sidecar]:
    telemetry.configure("test", None)
    made = Sidecar(tmp_path, certificates, redis_url)
    await made.start()
    yield made
    await made.stop()


def context(pinned: Bundle, **changes: Any) -> policy_pb2.ActionContext:
    return policy_pb2.ActionContext(
        **{
            "principal": identity_pb2.Principal(
                subject="developer", issuer="http://issuer.test", tenant="acme", roles=["developer"]
            ),
            "bundle": pinned.digest,
            "run_id": "run-1",
            "step": "publish",
            "turn": 1,
            "role": "publisher",
            "context_label": label_pb2.Label(
                confidentiality=label_pb2.CONFIDENTIALITY_INTERNAL, integrity=label_pb2.INTEGRITY_TRUSTED
            ),
            **changes,
        }
    )


def enforce(
    pinned: Bundle, tool: str, key: str, *, approval: Any = None, **arguments: Any
) -> policy_pb2.EnforceRequest:
    action = policy_pb2.ToolAction(tool=tool, arguments_json=json.dumps({"repo_path": "repository", **arguments}))
    return policy_pb2.EnforceRequest(
        context=context(pinned), action=action, idempotency_key=key, fencing_token=1, approval=approval
    )


async def refused(call: Any) -> AmasError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return from_rpc_error(caught.value)


async def test_a_read_is_decided_recorded_and_done(sidecar: Sidecar) -> None:
    """Section 3, the whole way: bundle, contract, shipped policy, quota, record, real tool, label, record."""
    unknown = await refused(sidecar.orchestrator.stub.Enforce(enforce(bundle(None), "git/git_log", "k0")))
    assert unknown.reason == "BUNDLE_UNKNOWN"
    pinned = await sidecar.accepted()
    answer = await sidecar.orchestrator.stub.Enforce(enforce(pinned, "git/git_log", "k1"))
    assert answer.outcome == policy_pb2.OUTCOME_SUCCEEDED
    assert answer.decision.effect == decision_pb2.EFFECT_ALLOW
    assert "the first" in answer.result_text
    assert answer.label.integrity == label_pb2.INTEGRITY_UNTRUSTED
    assert sidecar.audit.types() == ["dev.amas.action.intent", "dev.amas.action.outcome"]
    for event in sidecar.audit.events.values():
        assert len(event.trace_id) == 32
        assert (event.run_id, event.role, event.role_version) == ("run-1", "publisher", "1.0.0")


async def test_a_commit_waits_for_its_approval_and_is_done_once(sidecar: Sidecar) -> None:
    """I3, I4: escalated by the shipped policy, done with a valid approval, once, however often it is asked for."""
    pinned = await sidecar.accepted()
    stub = sidecar.orchestrator.stub
    (sidecar.repository / "notes.md").write_text("notes")
    await stub.Enforce(enforce(pinned, "git/git_add", "k1", files=["notes.md"]))
    asked = await stub.Enforce(enforce(pinned, "git/git_commit", "k2", message="docs: notes"))
    assert asked.decision.effect == decision_pb2.EFFECT_ESCALATE
    assert list(getattr(asked.decision.approval, "from")) == ["release-managers"]
    assert asked.decision.approval.expires_in.seconds == 1800
    assert asked.decision.approval.remind_after.seconds == 300
    [rule] = asked.decision.approval.escalate
    assert (rule.after.seconds, list(rule.to)) == (600, ["directors"])
    assert sidecar.commits() == ["the first"]
    grant = policy_pb2.ApprovalGrant(
        approval_id="approval-1",
        action_digest=asked.decision.action_digest,
        bundle=pinned.digest,
        requester="developer",
        approvers=["release-manager"],
        approver_groups=["release-manager:release-managers"],
    )
    grant.expires_at.FromDatetime(datetime.now(UTC) + timedelta(minutes=30))
    early = policy_pb2.ApprovalGrant()
    early.CopyFrom(grant)
    early.approvers[:], early.approver_groups[:] = ["director"], ["director:directors"]
    early.requested_at.FromDatetime(datetime.now(UTC))
    early.answered_at.add().FromDatetime(datetime.now(UTC) + timedelta(minutes=9))
    refused_early = await stub.Enforce(
        enforce(pinned, "git/git_commit", "k2-early", approval=early, message="docs: notes")
    )
    assert refused_early.decision.reasons[0].code == "APPROVAL_WRONG_GROUP"
    other = await stub.Enforce(enforce(pinned, "git/git_commit", "k3", approval=grant, message="docs: other"))
    assert other.decision.reasons[0].code == "APPROVAL_OTHER_ACTION"
    approved = enforce(pinned, "git/git_commit", "k4", approval=grant, message="docs: notes")
    answers = await asyncio.gather(*(stub.Enforce(approved) for _ in range(3)))
    assert {answer.outcome for answer in answers} == {policy_pb2.OUTCOME_SUCCEEDED}
    assert (await stub.Enforce(approved)).replayed
    again = await stub.Enforce(enforce(pinned, "git/git_commit", "k5", approval=grant, message="docs: notes"))
    assert again.decision.reasons[0].code == "QUOTA_EXCEEDED"
    assert sidecar.commits() == ["docs: notes", "the first"]


async def test_without_audit_nothing_is_committed(sidecar: Sidecar, monkeypatch: pytest.MonkeyPatch) -> None:
    """I2: the log is away: UNAVAILABLE, and the repository is as it was; with the log back, the same key is done."""
    monkeypatch.setattr(audit_client, "MAX_TRIES", 1)
    pinned = await sidecar.accepted()
    (sidecar.repository / "notes.md").write_text("notes")
    request = enforce(pinned, "git/git_add", "k1", files=["notes.md"])
    sidecar.audit.away = True
    error = await refused(sidecar.orchestrator.stub.Enforce(request))
    assert error.reason == "AUDIT_UNAVAILABLE"
    status = ["git", "-C", str(sidecar.repository), "status", "--porcelain"]
    assert subprocess.run(status, check=True, capture_output=True).stdout == b"?? notes.md\n"  # noqa: ASYNC221 - short
    sidecar.audit.away = False
    assert (await sidecar.orchestrator.stub.Enforce(request)).outcome == policy_pb2.OUTCOME_SUCCEEDED


async def test_the_router_may_ask_about_models_and_nothing_else(sidecar: Sidecar) -> None:
    """I1: who has no business with tools cannot reach one; a context without a label counts as restricted."""
    pinned = await sidecar.accepted()
    model = policy_pb2.ModelAction(route="default")
    request = policy_pb2.DecideRequest(context=context(pinned), model=model)
    assert (await sidecar.router.stub.Decide(request)).decision.effect == decision_pb2.EFFECT_ALLOW
    request.context.ClearField("context_label")
    unlabelled = await sidecar.router.stub.Decide(request)
    assert unlabelled.decision.reasons[0].code == "CLEARANCE_EXCEEDED"
    error = await refused(sidecar.router.stub.Enforce(enforce(pinned, "git/git_log", "k1")))
    assert error.reason == "CALLER_NOT_ALLOWED"
    listing = policy_pb2.ListToolsRequest(context=context(pinned))
    assert (await refused(sidecar.router.stub.ListTools(listing))).reason == "CALLER_NOT_ALLOWED"
    assert len((await sidecar.orchestrator.stub.ListTools(listing)).tools) == 3


async def test_a_bundle_is_taken_by_its_digest_only(sidecar: Sidecar) -> None:
    """I11: content that is not the bundle it is said to be is refused with a precise reason and changes nothing."""
    good = bundle(None)
    for digest, content in (
        (good.digest, good.content + b" "),
        ("sha256:" + "0" * 64, good.content),
        (good.digest, b"x"),
    ):
        request = policy_pb2.LoadBundleRequest(digest=digest, content=content)
        assert (await refused(sidecar.orchestrator.stub.LoadBundle(request))).reason == "BUNDLE_INVALID"
    error = await refused(sidecar.orchestrator.stub.Enforce(enforce(good, "git/git_log", "k1")))
    assert error.reason == "BUNDLE_UNKNOWN"


async def test_the_end_of_the_service_is_the_end_of_its_tools(sidecar: Sidecar) -> None:
    """I12: drained and stopped, the service leaves no tool server behind (the fixture checks that it ended well)."""
    await sidecar.accepted()
    tools = [child for child in psutil.Process(os.getpid()).children() if "mcp-server-git" in command_of(child)]
    assert tools
    await sidecar.stop()
    assert not any(tool.is_running() for tool in tools)
