"""In-memory twins of the router's and the audit log's ports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field

from amas.audit.v1 import audit_pb2
from amas.common.v1 import usage_pb2
from amas.router.v1 import router_pb2
from amas_chassis.errors import AmasError, ErrorKind
from amas_gateway.domain import model
from amas_gateway.domain.errors import not_found
from amas_gateway.domain.model import Principal

from .fakes import DIGEST


class FakeBundles:
    """One bundle a tenant."""

    def __init__(self) -> None:
        self.forgotten: list[str] = []

    def forget(self, tenant: str) -> None:
        self.forgotten.append(tenant)

    async def active(self, tenant: str) -> model.ActiveBundle:
        return model.ActiveBundle(DIGEST, b"content")


@dataclass
class FakeModels:
    """A router that answers what the test says."""

    knows_bundle: bool = True
    loaded: int = 0
    calls: list[tuple[Principal, str, model.ModelCall]] = field(default_factory=list)
    body: bytes = b"{}"
    parts: list[model.Chunk | model.StreamEnd | AmasError] = field(default_factory=list)
    error: AmasError | None = None
    # Set when a call was cancelled by the caller's going away.
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    hang: bool = False
    called: asyncio.Event = field(default_factory=asyncio.Event)

    async def load_bundle(self, bundle: model.ActiveBundle) -> None:
        self.loaded += 1
        self.knows_bundle = True

    async def _called(self, who: Principal, bundle: str, call: model.ModelCall) -> None:
        if not self.knows_bundle:
            raise AmasError(ErrorKind.FAILED_PRECONDITION, "BUNDLE_UNKNOWN", "unknown bundle")
        self.calls.append((who, bundle, call))
        await self._asked()

    async def _asked(self) -> None:
        self.called.set()
        if self.error:
            raise self.error
        if self.hang:
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled.set()

    async def complete(self, who: Principal, bundle: str, call: model.ModelCall) -> model.Answer:
        await self._called(who, bundle, call)
        return model.Answer(self.body, model.Report("call-1", "openai", "gpt\r\n-5", 1))

    async def stream(
        self, who: Principal, bundle: str, call: model.ModelCall
    ) -> AsyncGenerator[model.Chunk | model.StreamEnd]:
        if not self.parts:
            await self._called(who, bundle, call)
        hang, self.hang = self.hang, False
        await self._called(who, bundle, call)
        try:
            for part in self.parts:
                if isinstance(part, AmasError):
                    raise part
                yield part
            if hang:
                await asyncio.Event().wait()
        finally:
            self.cancelled.set()

    async def embed(self, who: Principal, bundle: str, call: model.ModelCall) -> model.Answer:
        await self._called(who, bundle, call)
        return model.Answer(self.body)

    async def list(self, who: Principal, bundle: str) -> Sequence[model.ModelName]:
        await self._asked()
        return [model.ModelName("default", ("openai/gpt-5-mini",))]


class FakeUsage:
    """One row."""

    async def query(self, tenant: str, query: model.UsageQuery) -> model.Page[object]:
        return model.Page([router_pb2.UsageRow(run_id="run-1", model="gpt-5-mini", calls=3)])

    async def budgets(self, who: Principal, bundle: str, query: model.BudgetQuery) -> model.Page[object]:
        used = usage_pb2.Money(amount="1.25", currency="USD")
        state = router_pb2.BudgetState(name=query.name or "acme-daily", window="day", cost_used=used, tokens_used=7)
        return model.Page([state])


class FakeAudit:
    """A log with some entries, which remembers who read it, and a policy that may refuse."""

    def __init__(self) -> None:
        self.reads: list[tuple[str, str, Mapping[str, object], int | None]] = []
        self.queries: list[model.AuditQuery] = []
        self.size = 1
        # Pages after which the log is away.
        self.pages_left = 1000
        # What the log says instead of a page.
        self.instead: AmasError | None = None
        # Set: a page that is none of the first is never found.
        self.stuck = False
        self.waiting = asyncio.Event()
        self.down = False
        self.asked: list[tuple[str, str]] = []
        self.erased: list[tuple[str, str]] = []
        self.refusal: AmasError | None = None

    async def authorize_read(self, who: Principal, run_id: str) -> None:
        self.asked.append((who.subject, run_id))
        if self.refusal is not None:
            raise self.refusal

    async def read_happened(
        self, who: Principal, what: str, filters: Mapping[str, object], count: int | None = None
    ) -> None:
        if self.down:
            raise AmasError(ErrorKind.UNAVAILABLE, "UPSTREAM_UNAVAILABLE", "away")
        self.reads.append((who.subject, what, filters, count))

    async def query(self, tenant: str, query: model.AuditQuery) -> model.Page[object]:
        self.queries.append(query)
        if self.instead is not None:
            raise self.instead
        if not self.pages_left:
            raise AmasError(ErrorKind.UNAVAILABLE, "LOG_UNAVAILABLE", "away")
        self.pages_left -= 1
        if self.stuck and query.page.token:
            self.waiting.set()
            await asyncio.Event().wait()
        first = int(query.page.token or 7)
        past = min(first + (query.page.size or 100), 7 + self.size)
        entries: list[object] = []
        for index in range(first, past):
            entry = audit_pb2.LogEntry(index=index, source="orchestrator", leaf=b"{}")
            entry.event.id, entry.event.tenant = f"e{index}", tenant
            entries.append(entry)
        return model.Page(entries, str(past) if past < 7 + self.size else "")

    async def authorize_erasure(self, who: Principal) -> None:
        self.asked.append((who.subject, "erasure"))
        if self.refusal is not None:
            raise self.refusal

    async def authorize_subject_search(self, who: Principal) -> None:
        self.asked.append((who.subject, "subject"))
        if self.refusal is not None:
            raise self.refusal

    async def find_subject(self, tenant: str, subject: str, page: model.PageQuery) -> model.SubjectPage:
        runs = [audit_pb2.SubjectRun(run_id="run-1", events=1, contents=2)] if subject == "alice" else []
        keys = [audit_pb2.SubjectKey(id="k1", retention="standard", contents=2)] if runs else []
        return model.SubjectPage(runs, "", keys, [key.id for key in keys])

    async def erase(self, principal: Principal, subject: str, *, dry_run: bool) -> model.Erasure:
        if not dry_run:
            self.erased.append((principal.subject, subject))
        return model.Erasure(1, 2, () if dry_run else ("erased:1",))

    async def checkpoint(self) -> model.Checkpoint:
        return model.Checkpoint("amas.internal/audit\n1\nroot\n", "key")

    async def export(self, tenant: str, run_id: str) -> AsyncGenerator[bytes]:
        if run_id != "run-1":
            raise not_found("run")
        yield b"first"
        yield b"second"
