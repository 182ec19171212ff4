"""The policy-sidecar of a running platform, spoken to as its orchestrator would: what holds even if that one is misled.

Nothing here is a stand-in: the policies, the contracts, the tool servers, the quota store and the audit log are the
platform's own. `replica` starts a second sidecar beside the first, on the same stores.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import psutil
from amas.common.v1 import decision_pb2, identity_pb2, label_pb2
from amas.policy.v1 import policy_pb2, policy_pb2_grpc
from amas_chassis.channels import ClientChannels
from amas_chassis.errors import ErrorKind
from amas_chassis.rpc_errors import from_rpc_error
from amas_chassis.tls import TlsFiles
from amas_cli.local.home import Home
from amas_governance.provenance import TrustedValues

from ..local_platform import LocalPlatform
from ..waiting import wait_for

START_TIMEOUT_S = 60.0
CALL_TIMEOUT_S = 60.0
_EFFECTS = {
    decision_pb2.EFFECT_ALLOW: "allow",
    decision_pb2.EFFECT_DENY: "deny",
    decision_pb2.EFFECT_ESCALATE: "escalate",
}
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Proposal:
    """One call of a role, in a context that a stranger's words have tainted unless it says otherwise."""

    tool: str
    arguments: Any
    """An object, or the text of the arguments word for word."""
    role: str = "resolver"
    delegated_by: tuple[str, ...] = ()
    tainted: bool = True
    trusted: tuple[Any, ...] = ()
    run: str = field(default_factory=lambda: f"attack-{next(_numbers)}")
    key: str = field(default_factory=lambda: f"key-{next(_numbers)}")
    approval: policy_pb2.ApprovalGrant | None = None
    bundle: str = ""


@dataclass(frozen=True)
class Answer:
    """What the sidecar said."""

    effect: str
    codes: tuple[str, ...]
    done: bool
    text: str
    digest: str
    bundle: str
    size: int
    """Bytes of what came back, text and structured content."""


class Gate:
    """The sidecar's socket, and the bundle that its platform runs."""

    def __init__(self, platform: LocalPlatform, bundle: str, sockets: Sequence[Path] = ()) -> None:
        """`sockets` are those of its replicas; without them it is the platform's own."""
        self.bundle = bundle
        self._platform = platform
        self._sockets = list(sockets) or [Home(platform.home).policy_socket]
        certificates = platform.home / "certificates"
        self._tls = TlsFiles(
            cert=certificates / "orchestrator.pem", key=certificates / "orchestrator.key", ca=certificates / "ca.pem"
        )

    def enforce(self, proposal: Proposal) -> Answer:
        """Hands one call to the first sidecar."""
        return self.at_once([proposal])[0]

    def at_once(self, proposals: Sequence[Proposal]) -> list[Answer]:
        """Hands all calls over at the same time, in turns to each replica."""
        return asyncio.run(self._at_once(proposals))

    def tools(self, role: str) -> list[policy_pb2.Tool]:
        """What a role would be offered; raises grpc.aio.AioRpcError where that is refused."""

        async def ask() -> list[policy_pb2.Tool]:
            async with self._stubs() as stubs:
                request = policy_pb2.ListToolsRequest(context=self._context(Proposal("x/y", {}, role=role)))
                return list((await stubs[0].ListTools(request, timeout=CALL_TIMEOUT_S)).tools)

        return asyncio.run(ask())

    def load(self) -> None:
        """Brings the bundle to each replica, by content, as an orchestrator does when one does not know it."""
        environment = psutil.Process(self._platform.pid("orchestrator")).environ()
        url = environment["AMAS_ORCHESTRATOR_DATABASE_URL"]
        password = Path(environment["AMAS_ORCHESTRATOR_DATABASE_PASSWORD_FILE"]).read_text().strip()

        async def load() -> None:
            content = await self._content(url, password)
            async with self._stubs() as stubs:
                for stub in stubs:
                    request = policy_pb2.LoadBundleRequest(digest=self.bundle, content=content)
                    await stub.LoadBundle(request, timeout=CALL_TIMEOUT_S)

        asyncio.run(load())

    async def _content(self, url: str, password: str) -> bytes:
        """The bundle as the platform keeps it."""
        connection = await asyncpg.connect(url, password=password)
        try:
            query = "SELECT content FROM orchestrator.bundles WHERE tenant = 'acme' AND digest = $1"
            return bytes(await connection.fetchval(query, self.bundle))
        finally:
            await connection.close()

    async def _at_once(self, proposals: Sequence[Proposal]) -> list[Answer]:
        async with self._stubs() as stubs:
            calls = [
                _answered(stubs[number % len(stubs)], self._request(proposal))
                for number, proposal in enumerate(proposals)
            ]
            return [_answer(response) for response in await asyncio.gather(*calls)]

    @contextlib.asynccontextmanager
    async def _stubs(self) -> Any:
        channels = ClientChannels(self._tls, "orchestrator")
        try:
            yield [
                channels.client(policy_pb2_grpc.PolicyServiceStub, f"unix:{socket}", "policy-sidecar").stub
                for socket in self._sockets
            ]
        finally:
            await channels.close()

    def _request(self, proposal: Proposal) -> policy_pb2.EnforceRequest:
        given = proposal.arguments
        text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
        return policy_pb2.EnforceRequest(
            context=self._context(proposal),
            action=policy_pb2.ToolAction(tool=proposal.tool, arguments_json=text),
            idempotency_key=proposal.key,
            fencing_token=1,
            approval=proposal.approval,
        )

    def _context(self, proposal: Proposal) -> policy_pb2.ActionContext:
        integrity = label_pb2.INTEGRITY_UNTRUSTED if proposal.tainted else label_pb2.INTEGRITY_TRUSTED
        return policy_pb2.ActionContext(
            principal=identity_pb2.Principal(
                subject="developer", issuer="http://issuer.test", tenant="acme", roles=["developer"]
            ),
            bundle=proposal.bundle or self.bundle,
            run_id=proposal.run,
            step="resolve",
            turn=1,
            orchestration="support-desk",
            role=proposal.role,
            delegated_by=proposal.delegated_by,
            context_label=label_pb2.Label(confidentiality=label_pb2.CONFIDENTIALITY_INTERNAL, integrity=integrity),
            trusted_values=TrustedValues.of(list(proposal.trusted)).to_list(),
        )

    @contextlib.contextmanager
    def replica(self, folder: Path) -> Iterator[Gate]:
        """A gate of two sidecars: the platform's, and another process with the same settings but its own listeners."""
        socket = folder / "replica.sock"
        environment = psutil.Process(self._platform.pid("policy-sidecar")).environ()
        environment["AMAS_POLICY_SIDECAR_GRPC_LISTEN"] = f"unix:{socket}"
        environment["AMAS_POLICY_SIDECAR_HTTP_LISTEN"] = "127.0.0.1:0"
        with (folder / "replica.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "amas_policy_sidecar"],
                env=environment,
                cwd=folder,
                stdout=log,
                stderr=log,
            )
        try:
            wait_for("the replica's socket", lambda: socket.exists() or process.poll() is not None, START_TIMEOUT_S)
            assert process.poll() is None, (folder / "replica.log").read_text()
            yield Gate(self._platform, self.bundle, [*self._sockets, socket])
        finally:
            process.terminate()
            process.wait(timeout=START_TIMEOUT_S)


async def _answered(stub: Any, request: policy_pb2.EnforceRequest) -> policy_pb2.EnforceResponse:
    """The answer; who is told when to come back comes back with the same key, as an orchestrator does."""
    async with asyncio.timeout(CALL_TIMEOUT_S):
        while True:
            try:
                return await stub.Enforce(request, timeout=CALL_TIMEOUT_S)  # type: ignore[no-any-return]
            except grpc.aio.AioRpcError as failure:
                error = from_rpc_error(failure)
                if error.kind is not ErrorKind.RESOURCE_EXHAUSTED or error.retry_after is None:
                    raise
                await asyncio.sleep(error.retry_after)


def approved(answer: Answer, **changes: Any) -> policy_pb2.ApprovalGrant:
    """A support lead's yes to exactly what was escalated."""
    values: dict[str, Any] = {
        "approval_id": f"approval-{next(_numbers)}",
        "action_digest": answer.digest,
        "bundle": answer.bundle,
        "requester": "developer",
        "approvers": ["support-lead"],
        "approver_groups": ["support-lead:support-leads", "support-lead:approvers"],
        **changes,
    }
    expires = values.pop("expires_at", datetime.now(UTC) + timedelta(minutes=15))
    grant = policy_pb2.ApprovalGrant(**values)
    grant.expires_at.FromDatetime(expires)
    return grant


def _answer(response: policy_pb2.EnforceResponse) -> Answer:
    decision = response.decision
    return Answer(
        effect=_EFFECTS[decision.effect],
        codes=tuple(reason.code for reason in decision.reasons),
        done=response.outcome == policy_pb2.OUTCOME_SUCCEEDED,
        text=response.result_text,
        digest=decision.action_digest,
        bundle=decision.bundle,
        size=_size(response),
    )


def _size(response: policy_pb2.EnforceResponse) -> int:
    text = response.result_text
    repeated = json.loads(response.result_json or "null") == {"text": text}
    return len(text.encode()) + (0 if repeated else len(response.result_json.encode()))
