"""What is kept: runs with their events, approvals, bundles, leases. Each method is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from amas_governance.bundle import Bundle

from amas_orchestrator.domain.approvals import Approval, ApprovalState
from amas_orchestrator.domain.events import NewEvent, StoredEvent
from amas_orchestrator.domain.model import Principal, Run, RunState
from amas_orchestrator.domain.notices import Notice


class RunStore(Protocol):
    """Runs and their events. Every method sees one tenant's rows only, or is for a run that the executor holds."""

    async def create(self, run: Run, idempotency_key: str, request_digest: str) -> tuple[Run, bool]:
        """Stores a new run with its first event; (run, existed). Another request under the key is refused."""
        ...

    async def get(self, tenant: str, run_id: str) -> Run | None:
        """A run with its steps."""
        ...

    async def page(self, tenant: str, orchestration: str, state: RunState | None, size: int, before: str) -> list[Run]:
        """Newest first, without steps; `before` is the id that the page starts below."""
        ...

    async def begin(self, run_id: str, now: datetime) -> Run | None:
        """The run for its executor, marked as started (once) and running; None if it is not there."""
        ...

    async def record(self, run_id: str, fencing_token: int, events: Sequence[NewEvent]) -> bool:
        """Writes events that are not there yet, gap-free, and what they change in the run, at once.

        True if somebody asked for the run to be cancelled. Raises OwnershipLost if the token is not the run's.
        """
        ...

    async def request_cancel(
        self, tenant: str, run_id: str, by: str, reason: str, now: datetime, *, revoked: bool = False
    ) -> Run | None:
        """Notes that the run is to be cancelled, and cancels its pending approvals.

        With `revoked` it ends as failed, with `reason` for what was revoked.
        """
        ...

    async def take_over(self, run_id: str, now: datetime) -> Run | None:
        """Raises the fencing token, with the event that says so; None when the run has ended."""
        ...

    async def events(self, tenant: str, run_id: str, after: int, limit: int) -> list[StoredEvent]:
        """Events after a sequence, in order."""
        ...


class ApprovalStore(Protocol):
    """Approvals and their answers."""

    async def open(self, approval: Approval) -> Approval:
        """Stores it as `opening`, unless it is there; the stored one."""
        ...

    async def publish(self, approval: Approval, fencing_token: int, events: Sequence[NewEvent]) -> bool:
        """Makes it pending, plans its notices and writes the events, at once. True if the run is to be cancelled."""
        ...

    async def get(self, tenant: str, approval_id: str) -> Approval | None:
        """One approval with its answers; not while it is opening."""
        ...

    async def page(
        self, tenant: str, run_id: str, state: ApprovalState | None, size: int, before: str
    ) -> list[Approval]:
        """Newest first."""
        ...

    async def decide(
        self,
        tenant: str,
        approval_id: str,
        rule: Callable[[Approval], Approval],
        event: Callable[[Approval], NewEvent],
    ) -> Approval | None:
        """Applies a rule to the locked row and stores the answer and the edit that it adds, with its event, at once.

        A rule that answers the approval itself adds nothing. None if there is no such approval.
        """
        ...

    async def due_notices(self, now: datetime, limit: int) -> list[tuple[Approval, Notice]]:
        """Notices that are due and not sent, of approvals that still wait, the oldest first."""
        ...

    async def noticed(self, notice: Notice, event: NewEvent, run_id: str) -> None:
        """The notice is sent: marks it so and writes its event, at once, unless somebody else did."""
        ...

    async def settle(self, approval_id: str, now: datetime) -> Approval:
        """What the approval has come to; a pending one that is past its expiry becomes expired."""
        ...

    async def waiting(self, tenant: str, now: datetime) -> int:
        """How many approvals of the tenant wait for people."""
        ...

    async def others_pending(self, run_id: str, approval_id: str) -> bool:
        """Whether the run waits for another approval as well."""
        ...

    async def cancel_pending(self, run_id: str) -> None:
        """Cancels what a run that ends still asks humans."""
        ...

    async def unsent_wakes(self, limit: int) -> list[Approval]:
        """Decided approvals whose waiting run may not have been woken."""
        ...

    async def wake_sent(self, approval_id: str) -> None:
        """The waiting run has been woken."""
        ...


@dataclass(frozen=True)
class BundleInfo:
    """A bundle without its content."""

    digest: str
    tenant: str
    created_at: datetime
    created_by: str
    active: bool


class BundleStore(Protocol):
    """The tenants' bundles and which one is active."""

    async def active(self, tenant: str) -> tuple[BundleInfo, Bundle] | None:
        """The bundle under which new runs start."""
        ...

    async def get(self, tenant: str, digest: str) -> tuple[BundleInfo, Bundle] | None:
        """A bundle by its digest."""
        ...

    async def pinned(self, tenant: str, digest: str) -> Bundle | None:
        """The same without what may change about it: costs nothing once the bundle is known."""
        ...

    async def activate(self, principal: Principal, bundle: Bundle, expected: str, now: datetime) -> BundleInfo:
        """Stores a bundle and makes it the active one, unless another than `expected` is by now (ABORTED)."""
        ...


class ExecutorStore(Protocol):
    """Leases of executors, by the database's clock."""

    async def register(self, executor_id: str, lease_seconds: float) -> None:
        """A new executor with a new lease."""
        ...

    async def renew(self, executor_id: str, lease_seconds: float) -> bool:
        """False when the executor was declared dead, which is final."""
        ...

    async def release(self, executor_id: str) -> None:
        """The executor has stopped; its runs may be taken over at once."""
        ...

    async def claim_dead(self, executor_id: str, lease_seconds: float, *, only_released: bool) -> list[str]:
        """Executors whose lease ran out or was released, now the caller's to clear for one lease."""
        ...

    async def unknown(self, executor_ids: Sequence[str]) -> list[str]:
        """Those that have no lease and never get one again: they are dead for certain."""
        ...

    async def cleared(self, dead_id: str) -> None:
        """Nothing of a dead executor is left to take over."""
        ...
