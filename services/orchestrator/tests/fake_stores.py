"""In-memory twins of the stores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.bundle import Bundle
from amas_orchestrator.domain.approvals import Approval, ApprovalState
from amas_orchestrator.domain.errors import OwnershipLost, approval_not_found
from amas_orchestrator.domain.events import NewEvent, StoredEvent
from amas_orchestrator.domain.model import Principal, Reason, Run, RunState
from amas_orchestrator.domain.notices import Notice, planned
from amas_orchestrator.ports import BundleInfo

from .fakes import START


class FakeRuns:
    """RunStore on dicts."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.written: dict[str, list[NewEvent]] = {}
        self.keys: dict[tuple[str, str, str], tuple[str, str]] = {}
        self.approvals: FakeApprovals | None = None

    async def create(self, run: Run, idempotency_key: str, request_digest: str) -> tuple[Run, bool]:
        place = (run.tenant, run.principal.subject, idempotency_key)
        if idempotency_key and place in self.keys:
            run_id, request = self.keys[place]
            if request != request_digest:
                raise AmasError(ErrorKind.ALREADY_EXISTS, "IDEMPOTENCY_KEY_REUSED", "another request")
            return self.runs[run_id], True
        self.keys[place] = (run.id, request_digest)
        self.runs[run.id] = run
        self.written[run.id] = []
        return run, False

    async def get(self, tenant: str, run_id: str) -> Run | None:
        run = self.runs.get(run_id)
        return run if run is not None and run.tenant == tenant else None

    async def page(self, tenant: str, orchestration: str, state: RunState | None, size: int, before: str) -> list[Run]:
        found = [run for run in self.runs.values() if run.tenant == tenant and orchestration in ("", run.orchestration)]
        found = [run for run in found if (state is None or run.state is state) and (not before or run.id < before)]
        return sorted(found, key=lambda run: run.id, reverse=True)[:size]

    async def begin(self, run_id: str, now: datetime) -> Run | None:
        run = self.runs.get(run_id)
        if run is None:
            return None
        run = replace(run, started_at=run.started_at or now)
        if run.state is RunState.QUEUED:
            run = replace(run, state=RunState.RUNNING)
        self.runs[run_id] = run
        return run

    async def record(self, run_id: str, fencing_token: int, events: Sequence[NewEvent]) -> bool:
        run = self.runs[run_id]
        if fencing_token not in (0, run.fencing_token):
            raise OwnershipLost(run_id)
        known = {event.key for event in self.written[run_id]}
        for event in events:
            if event.key in known or run.state.ended:
                continue
            self.written[run_id].append(event)
            if event.kind == "run_state_changed":
                run = replace(run, state=RunState(event.payload["state"]))
                if run.state.ended:
                    reason = Reason.from_dict(event.payload["reason"])
                    run = replace(run, reason=reason, output_json=event.payload["output_json"], ended_at=event.time)
        self.runs[run_id] = run
        return run.cancel is not None

    async def request_cancel(
        self, tenant: str, run_id: str, by: str, reason: str, now: datetime, *, revoked: bool = False
    ) -> Run | None:
        run = await self.get(tenant, run_id)
        if run is None:
            return None
        if not run.state.ended:
            run = self.runs[run_id] = replace(
                run, cancel=run.cancel or {"by": by, "reason": reason, "revoked": revoked}
            )
            if self.approvals:
                await self.approvals.cancel_pending(run_id)
        return run

    async def take_over(self, run_id: str, now: datetime) -> Run | None:
        run = self.runs.get(run_id)
        if run is None or run.state.ended:
            return None
        run = self.runs[run_id] = replace(run, fencing_token=run.fencing_token + 1)
        return run

    async def events(self, tenant: str, run_id: str, after: int, limit: int) -> list[StoredEvent]:
        stored = [
            StoredEvent(run_id, number, event.kind, event.time, event.step, event.payload)
            for number, event in enumerate(self.written[run_id], 1)
        ]
        return stored[after : after + limit]

    def kinds(self, run_id: str) -> list[str]:
        """Kinds of a run's events, states spelled out."""
        named = ("run_state_changed", "step_state_changed")
        return [
            f"{event.step or 'run'}:{event.payload['state']}" if event.kind in named else event.kind
            for event in self.written[run_id]
        ]


class FakeApprovals:
    """ApprovalStore on a dict."""

    def __init__(self, runs: FakeRuns) -> None:
        self.stored: dict[str, Approval] = {}
        self.wakes: set[str] = set()
        self.notices: dict[str, tuple[Notice, ...]] = {}
        self.noticed_ids: list[str] = []
        self._runs = runs
        runs.approvals = self

    async def open(self, approval: Approval) -> Approval:
        return self.stored.setdefault(approval.id, approval)

    async def publish(self, approval: Approval, fencing_token: int, events: Sequence[NewEvent]) -> bool:
        if self.stored[approval.id].state is ApprovalState.OPENING:
            self.stored[approval.id] = replace(self.stored[approval.id], state=ApprovalState.PENDING)
            self.notices[approval.id] = planned(approval)
        return await self._runs.record(approval.run_id, fencing_token, events)

    async def get(self, tenant: str, approval_id: str) -> Approval | None:
        found = self.stored.get(approval_id)
        return found if found is not None and found.tenant == tenant else None

    async def page(
        self, tenant: str, run_id: str, state: ApprovalState | None, size: int, before: str
    ) -> list[Approval]:
        return [
            found
            for found in self.stored.values()
            if found.tenant == tenant and run_id in ("", found.run_id) and state in (None, found.state)
        ][:size]

    async def decide(
        self,
        tenant: str,
        approval_id: str,
        rule: Callable[[Approval], Approval],
        event: Callable[[Approval], NewEvent],
    ) -> Approval | None:
        found = await self.get(tenant, approval_id)
        if found is None:
            return None
        decided = self.stored[approval_id] = rule(found)
        if decided is found:
            return found
        if decided.state is not ApprovalState.PENDING:
            self.wakes.add(approval_id)
        await self._runs.record(found.run_id, 0, [event(decided)])
        return decided

    async def due_notices(self, now: datetime, limit: int) -> list[tuple[Approval, Notice]]:
        waiting = [found for found in self.stored.values() if found.state is ApprovalState.PENDING]
        due = [
            (found, notice) for found in waiting for notice in self.notices.get(found.id, ()) if notice.due_at <= now
        ]
        due = [pair for pair in due if pair[1].id not in self.noticed_ids and pair[0].expires_at > now]
        return sorted(due, key=lambda pair: pair[1].due_at)[:limit]

    async def noticed(self, notice: Notice, event: NewEvent, run_id: str) -> None:
        if notice.id not in self.noticed_ids:
            self.noticed_ids.append(notice.id)
            await self._runs.record(run_id, 0, [event])

    async def settle(self, approval_id: str, now: datetime) -> Approval:
        if approval_id not in self.stored:
            raise approval_not_found(approval_id)
        found = self.stored[approval_id]
        if found.state is ApprovalState.PENDING and found.expires_at <= now:
            found = self.stored[approval_id] = replace(found, state=ApprovalState.EXPIRED)
        return found

    async def waiting(self, tenant: str, now: datetime) -> int:
        return sum(
            a.tenant == tenant and a.state is ApprovalState.PENDING and a.expires_at > now for a in self.stored.values()
        )

    async def others_pending(self, run_id: str, approval_id: str) -> bool:
        return any(
            a.run_id == run_id and a.id != approval_id and a.state is ApprovalState.PENDING
            for a in self.stored.values()
        )

    async def cancel_pending(self, run_id: str) -> None:
        for found in list(self.stored.values()):
            if found.run_id == run_id and found.state in (ApprovalState.PENDING, ApprovalState.OPENING):
                self.stored[found.id] = replace(found, state=ApprovalState.CANCELLED)
                self.wakes.add(found.id)

    async def unsent_wakes(self, limit: int) -> list[Approval]:
        return [self.stored[approval_id] for approval_id in sorted(self.wakes)][:limit]

    async def wake_sent(self, approval_id: str) -> None:
        self.wakes.discard(approval_id)


class FakeBundles:
    """BundleStore on dicts."""

    def __init__(self, bundle: Bundle | None = None) -> None:
        self.bundles: dict[str, Bundle] = {}
        self.active_digest: dict[str, str] = {}
        if bundle is not None:
            self.bundles[bundle.digest] = bundle
            self.active_digest["acme"] = bundle.digest

    async def active(self, tenant: str) -> tuple[BundleInfo, Bundle] | None:
        digest = self.active_digest.get(tenant)
        return await self.get(tenant, digest) if digest else None

    async def get(self, tenant: str, digest: str) -> tuple[BundleInfo, Bundle] | None:
        bundle = self.bundles.get(digest)
        if bundle is None:
            return None
        return BundleInfo(digest, tenant, START, "developer", self.active_digest.get(tenant) == digest), bundle

    async def pinned(self, tenant: str, digest: str) -> Bundle | None:
        return self.bundles.get(digest)

    async def activate(self, principal: Principal, bundle: Bundle, expected: str, now: datetime) -> BundleInfo:
        if self.active_digest.get(principal.tenant, "") != expected:
            raise AmasError(ErrorKind.ABORTED, "RESOURCES_CHANGED", "somebody else applied")
        self.bundles[bundle.digest] = bundle
        self.active_digest[principal.tenant] = bundle.digest
        return BundleInfo(bundle.digest, principal.tenant, now, principal.subject, True)
