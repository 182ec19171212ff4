"""In-memory twins of the gateway's ports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from amas.common.v1 import approval_pb2, decision_pb2, resource_pb2, run_pb2
from amas.orchestrator.v1 import orchestrator_pb2
from amas_chassis.errors import AmasError, ErrorKind
from amas_gateway.domain import limits, model
from amas_gateway.domain.errors import TokenFault, not_found, token_refused
from amas_gateway.domain.limits import Allowance, Taken
from amas_gateway.domain.model import Principal

DIGEST = "sha256:" + "a" * 64


def principal(name: str = "developer", *roles: str, tenant: str = "acme") -> Principal:
    """A principal; without roles it is a developer."""
    return Principal(name, "https://issuer.example", tenant, frozenset(roles or ("developer",)), (), 4e9, "first")


# Names of the tokens that FakeVerifier takes; the principals of a tenant with one role each, and one elsewhere.
PRINCIPALS = {
    "developer": principal("developer", "developer"),
    "second-developer": principal("second-developer", "developer"),
    "approver": principal("approver", "approver"),
    "admin": principal("admin", "platform-admin"),
    "auditor": principal("auditor", "auditor"),
    "stranger": principal("stranger", "developer", tenant="globex"),
    "nobody": principal("nobody", "no-such-role"),
}


class FakeVerifier:
    """Takes the names in PRINCIPALS as tokens."""

    def __init__(self) -> None:
        self.verified = 0
        self.trusted = True

    async def verify(self, token: str) -> Principal:
        self.verified += 1
        if token not in PRINCIPALS:
            raise token_refused(TokenFault.SIGNATURE)
        return PRINCIPALS[token]

    def trusts(self, key_id: str) -> bool:
        return self.trusted


class RecordedDenials:
    """Keeps refusals."""

    def __init__(self) -> None:
        self.seen: list[model.Denial] = []

    def denied(self, denial: model.Denial) -> None:
        self.seen.append(denial)


class FakeLimiter:
    """Allows everything until told otherwise."""

    def __init__(self) -> None:
        self.allow = True
        self.taken: list[Sequence[Allowance]] = []

    async def take(self, allowances: Sequence[Allowance]) -> Taken:
        self.taken.append(allowances)
        now = 0 if self.allow else 10**12
        quotas = tuple(limits.quota(allowance, now, 0) for allowance in allowances)
        return Taken(self.allow, quotas, 0.0 if self.allow else 1.5)


def make_run(run_id: str, owner: Principal, state: int = run_pb2.RUN_STATE_RUNNING) -> run_pb2.Run:
    """A run of an owner."""
    return run_pb2.Run(
        id=run_id,
        tenant=owner.tenant,
        requester=owner.subject,
        orchestration="release-notes",
        state=state,
        input_json="{}",
    )


class FakeRuns:
    """Runs in memory; events are fed by the test."""

    def __init__(self) -> None:
        self.runs: dict[str, run_pb2.Run] = {}
        self.keys: dict[str, str] = {}
        self.inputs: dict[str, str] = {}
        self.events: dict[str, list[run_pb2.RunEvent]] = {}
        self.more = asyncio.Condition()
        # Sequences after which a watch is cut once.
        self.cuts: list[int] = []
        self.watching = 0
        # Set while nobody watches.
        self.left = asyncio.Event()

    async def start(self, who: Principal, orchestration: str, input_json: str, key: str) -> model.Started:
        if key and key in self.keys:
            return model.Started(self.runs[self.keys[key]], True)
        run = make_run(f"run-{len(self.runs) + 1}", who)
        run.orchestration = orchestration
        self.runs[run.id] = run
        self.inputs[run.id] = input_json
        if key:
            self.keys[key] = run.id
        return model.Started(run, False)

    async def get(self, who: Principal, run_id: str) -> model.Run:
        # Deliberately without a check of the tenant: the gateway has one of its own.
        if run_id not in self.runs:
            raise not_found("run")
        return self.runs[run_id]

    async def list(
        self, who: Principal, orchestration: str, state: int, page: model.PageQuery
    ) -> model.Page[model.Run]:
        found = [run for run in self.runs.values() if run.tenant == who.tenant and state in (0, run.state)]
        return model.Page(found, "next" if page.size else "")

    async def cancel(self, who: Principal, run_id: str, reason: str) -> model.Run:
        self.runs[run_id].state = run_pb2.RUN_STATE_CANCELLED
        return self.runs[run_id]

    async def watch(self, who: Principal, run_id: str, after: int) -> AsyncGenerator[model.RunEvent]:
        self.watching += 1
        self.left.clear()
        try:
            seen = after
            while True:
                for event in [event for event in self.events.get(run_id, []) if event.sequence > seen]:
                    yield event
                    seen = event.sequence
                    if seen in self.cuts:
                        self.cuts.remove(seen)
                        raise AmasError(ErrorKind.UNAVAILABLE, "UPSTREAM_UNAVAILABLE", "cut")
                if self.runs[run_id].state in model.TERMINAL_RUN_STATES:
                    return
                async with self.more:
                    await self.more.wait()
        finally:
            self.watching -= 1
            if not self.watching:
                self.left.set()

    async def emit(self, run_id: str, count: int = 1, *, last: bool = False) -> None:
        """Adds events, and ends the run with the last one."""
        events = self.events.setdefault(run_id, [])
        for _ in range(count):
            event = run_pb2.RunEvent(run_id=run_id, sequence=len(events) + 1, step="draft")
            event.step_state_changed.state = run_pb2.STEP_STATE_RUNNING
            events.append(event)
        if last:
            self.runs[run_id].state = run_pb2.RUN_STATE_SUCCEEDED
        async with self.more:
            self.more.notify_all()


class FakeApprovals:
    """One approval of acme."""

    def __init__(self) -> None:
        self.approval = approval_pb2.Approval(
            id="approval-1", tenant="acme", run_id="run-1", tool="git/git_commit", action_digest=DIGEST
        )
        self.verdicts: list[tuple[str, model.Verdict]] = []
        self.refuse: AmasError | None = None

    async def get(self, who: Principal, approval_id: str) -> model.Approval:
        if approval_id != self.approval.id:
            raise not_found("approval")
        return self.approval

    async def list(self, who: Principal, run_id: str, state: int, page: model.PageQuery) -> model.Page[model.Approval]:
        return model.Page([self.approval] if who.tenant == "acme" else [])

    async def preview_edit(self, who: Principal, approval_id: str, arguments_json: str) -> object:
        if self.refuse:
            raise self.refuse
        edit = approval_pb2.ApprovalEdit(action_digest=DIGEST, arguments_json=arguments_json, editor=who.subject)
        decision = decision_pb2.Decision(effect=decision_pb2.EFFECT_ESCALATE)
        return orchestrator_pb2.PreviewEditResponse(edit=edit, decision=decision)

    async def decide(self, who: Principal, verdict: model.Verdict) -> model.Approval:
        if self.refuse:
            raise self.refuse
        self.verdicts.append((who.subject, verdict))
        return self.approval


class FakeResources:
    """Refuses files that hold `bad`."""

    def __init__(self) -> None:
        self.applied: list[tuple[Any, ...]] = []

    async def apply(
        self,
        who: Principal,
        files: Sequence[model.SourceFile],
        delete: Sequence[model.ResourceRef],
        dry_run: bool,
    ) -> model.Applied:
        self.applied.append((who.subject, tuple(files), tuple(delete), dry_run))
        answer = orchestrator_pb2.ApplyResourcesResponse()
        for file in files:
            if "bad" in file.content:
                answer.problems.add(file=file.name, line=3, column=5, field="spec.tools", message="no such tool")
        if not answer.problems:
            answer.bundle.digest = DIGEST
            answer.changes.add(kind="AgentRole", name="writer", change=resource_pb2.RESOURCE_CHANGE_KIND_CREATED)
        return answer

    async def list(self, who: Principal, kind: str, name: str, page: model.PageQuery) -> model.Page[model.Resource]:
        known = resource_pb2.Resource(kind="AgentRole", name="writer", manifest_json="{}", digest=DIGEST)
        matches = kind in ("", known.kind) and name in ("", known.name)
        return model.Page([known] if matches else [], "", resource_pb2.Bundle(digest=DIGEST, tenant=who.tenant))

    async def describe_tool_server(self, who: Principal, server: str) -> object:
        return orchestrator_pb2.DescribeToolServerResponse(pin=DIGEST)

    async def content(self, tenant: str, digest: str) -> bytes:
        if digest != DIGEST:
            raise not_found("bundle")
        return b'{"format":"amas.dev/bundle/v1"}'
