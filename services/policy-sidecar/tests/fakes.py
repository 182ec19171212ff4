"""In-memory twins of the ports."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.audit_events import misfit
from amas_governance.bundle import PolicySet
from amas_governance.labels import Confidentiality, Integrity, Label
from amas_governance.resources import ToolServer
from amas_governance.revocations import Revocable, RevocationKind, Revoked
from amas_policy_sidecar.adapters.engine_faults import unavailable as engine_unavailable
from amas_policy_sidecar.domain.autonomy import Standing, Subject, Tally
from amas_policy_sidecar.domain.errors import revocations_unknown, unavailable
from amas_policy_sidecar.domain.model import (
    Event,
    ToolAnswer,
    ToolDescription,
    ToolList,
)
from amas_policy_sidecar.domain.quota import Amount, QuotaAnswer, QuotaClaim, QuotaVerdict, Refusal, Used
from amas_policy_sidecar.ports import AppendAnswer, Count, Reading

from .manifests import OFFERED

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TRUSTED = Label(Confidentiality.INTERNAL, frozenset(), Integrity.TRUSTED)
ALLOW: Mapping[str, Any] = {
    "effect": "allow",
    "reasons": [{"code": "TOOL_GRANTED", "message": "granted"}],
    "obligations": ["redact"],
    "approval": None,
}
DENY: Mapping[str, Any] = {**ALLOW, "effect": "deny", "reasons": [{"code": "NOT_TODAY", "message": "not today"}]}
REQUIREMENT = {"from": ["release-managers"], "quorum": 1, "fourEyes": True, "expiresIn": 1800}


class FakeEngine:
    """Answers what it is told to; `answer` may be a function of the document."""

    def __init__(self) -> None:
        self.answer: Any = ALLOW
        self.away = False
        self.fault = "gone"
        """The kind of fault while it is away."""
        self.documents: list[Mapping[str, Any]] = []
        # As the real engines do, it decides only under policies that it holds, and may forget them at any time.
        self.loaded: set[str] = set()

    async def load(self, bundle: str, policies: PolicySet) -> None:
        self.loaded.add(bundle)

    async def decide(self, bundle: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        if bundle not in self.loaded:
            raise engine_unavailable("the bundle's policies were not loaded", fault="out_of_date")
        self.documents.append(document)
        if self.away:
            raise engine_unavailable("it is away", fault=self.fault)
        return self.answer(document) if callable(self.answer) else self.answer  # type: ignore[no-any-return]

    async def check(self) -> None:
        return None


def escalating(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Escalates until a verified approval is there, as the shipped policies do."""
    if document["approval"] and document["approval"]["valid"]:
        return ALLOW
    return {
        "effect": "escalate",
        "reasons": [{"code": "APPROVAL_REQUIRED", "message": "an approval is required"}],
        "obligations": [],
        "approval": REQUIREMENT,
    }


class FakeTools:
    """A tool server that answers, fails or waits as told, and remembers each call."""

    def __init__(self) -> None:
        self.offered: Sequence[ToolDescription] = OFFERED
        self.away = False
        self.answer = ToolAnswer(text="done", structured=None, is_error=False)
        self.failures: list[Exception] = []
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        self.before: Callable[[], None] = lambda: None
        self.gate: asyncio.Event | None = None
        self.begun = asyncio.Event()

    async def list_tools(self, tenant: str, server: ToolServer) -> ToolList:
        if self.away:
            raise unavailable("TOOL_SERVER_UNAVAILABLE", "tool server git does not answer")
        return ToolList(self.offered)

    async def call(self, tenant: str, server: ToolServer, tool: str, arguments: Mapping[str, Any]) -> ToolAnswer:
        self.before()
        self.calls.append((tool, arguments))
        self.begun.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        return self.answer


class FakeRevocations:
    """What is revoked; `late` is what this process still believes, where that is something older."""

    def __init__(self) -> None:
        self.revoked = Revoked(1)
        self.late: Revoked | None = None
        self.unknown = False

    async def current(self) -> Revoked:
        return self.late or await self.newest()

    async def newest(self) -> Revoked:
        if self.unknown:
            raise revocations_unknown()
        return self.revoked

    async def replace(self, revoked: Revoked) -> int:
        if revoked.version > self.revoked.version:
            self.revoked = revoked
        return self.revoked.version

    def revoke(self, kind: str, name: str, tenant: str = "acme") -> None:
        """Adds one."""
        one = Revocable(tenant, RevocationKind(kind), name)
        self.revoked = Revoked(self.revoked.version + 1, self.revoked.members | {one})


class FakeQuota:
    """Counts calls as the real store does, and knows at once what is revoked; what else is bounded is answered as told.

    `allowance` is how many bytes of an answer may come in, where it is less than the claim asks for.
    """

    def __init__(self, revocations: FakeRevocations) -> None:
        self._revocations = revocations
        self.away = False
        self.counted: dict[str, set[str]] = {}
        """Keys by id of a bound."""
        self.answers: list[tuple[QuotaAnswer, Amount, float]] = []
        """Refusals by the last bound of the claim, each with its wait."""
        self.allowance: int | None = None
        self.claims: list[QuotaClaim] = []
        self.settled: list[tuple[str, Used]] = []

    async def peek(self, claim: QuotaClaim) -> QuotaVerdict:
        return self._check(claim)

    async def take(self, claim: QuotaClaim) -> QuotaVerdict:
        verdict = self._check(claim)
        if verdict.answer is QuotaAnswer.GRANTED:
            self.claims.append(claim)
            for bound in claim.bounds:
                self.counted.setdefault(bound.id, set()).add(claim.key)
        return verdict

    async def settle(self, claim: QuotaClaim, used: Used) -> None:
        self.settled.append((claim.key, used))

    def _check(self, claim: QuotaClaim) -> QuotaVerdict:
        if self.away:
            raise unavailable("QUOTA_UNAVAILABLE", "the quota store does not answer")
        revoked = self._revocations.revoked.first((*claim.needs, *claim.approvers))
        if revoked is not None:
            return QuotaVerdict(QuotaAnswer.REVOKED, revoked=revoked)
        for bound in claim.bounds:
            counted = self.counted.get(bound.id, set())
            if bound.calls is not None and claim.key not in counted and len(counted) >= bound.calls:
                wait, renews = (3600.0, NOW + timedelta(hours=1)) if bound.window else (None, None)
                return QuotaVerdict(QuotaAnswer.EXCEEDED, wait, Refusal(bound, Amount.CALLS, 0, renews))
        if self.answers:
            answer, amount, wait = self.answers.pop(0)
            renews = NOW + timedelta(seconds=wait) if answer is QuotaAnswer.EXCEEDED else None
            return QuotaVerdict(answer, wait, Refusal(claim.bounds[-1], amount, 3, renews))
        shares = tuple(0.25 for _ in claim.bounds)
        return QuotaVerdict(QuotaAnswer.GRANTED, bytes_in=self.allowance or claim.most_bytes_in, shares=shares)


class FakeAutonomy:
    """Counts as the real store does, without a window; its clock is set by hand."""

    def __init__(self) -> None:
        self.away = False
        self.loses_races = False
        self.now = 1000.0
        self.counted: set[tuple[str, str]] = set()
        self.tallies: dict[tuple[str, str], Tally] = {}
        self.levels: dict[tuple[str, str], Standing] = {}
        """By tenant and name of the subject."""

    async def count(self, tenant: str, key: str, counts: Sequence[Count]) -> None:
        self._answer()
        if (tenant, key) in self.counted:
            return
        self.counted.add((tenant, key))
        for count in counts:
            place = (tenant, count.subject.name)
            before = self.tallies.get(place, Tally(0, 0))
            self.tallies[place] = Tally(before.total + 1, before.bad + count.bad)

    async def read(self, tenant: str, subject: Subject) -> Reading:
        self._answer()
        place = (tenant, subject.name)
        return Reading(self.now, self.tallies.get(place, Tally(0, 0)), self.levels.get(place))

    async def move(self, tenant: str, subject: Subject, before: Standing | None, after: Standing) -> bool:
        self._answer()
        if self.loses_races or self.levels.get((tenant, subject.name)) != before:
            return False
        self.levels[tenant, subject.name] = after
        return True

    def _answer(self) -> None:
        if self.away:
            raise unavailable("QUOTA_UNAVAILABLE", "the quota store does not answer")


class FakeAudit:
    """A log with the semantics of the audit service: idempotent by id and content, fenced by run."""

    def __init__(self) -> None:
        self.events: dict[tuple[str, str], Event] = {}
        """By tenant and id."""
        self.order: list[str] = []
        self.away: set[str] = set()
        """Types that cannot be appended now; "find" for look-ups."""
        self.loses_answer_of: set[str] = set()
        """Types that are committed, but whose acknowledgement gets lost."""
        self.fence = 0

    async def append(self, events: Sequence[Event], *, fencing_token: int = 0) -> AppendAnswer:
        types = {event.type for event in events}
        if types & self.away:
            raise unavailable("AUDIT_UNAVAILABLE", "the audit log does not answer")
        if fencing_token and fencing_token < self.fence:
            raise AmasError(ErrorKind.FAILED_PRECONDITION, "FENCED", "another executor went on with the run")
        known = [event for event in events if _place(event) in self.events]
        if any(self.events[_place(event)] != event for event in known):
            return AppendAnswer(recorded=False, duplicate=False)
        for event in events:
            assert misfit(event.type, event.data) == ""
            if _place(event) not in self.events:
                self.events[_place(event)] = copy.deepcopy(event)
                self.order.append(event.type)
        if types & self.loses_answer_of:
            raise unavailable("AUDIT_UNAVAILABLE", "the audit log does not answer")
        return AppendAnswer(recorded=True, duplicate=bool(known))

    async def find(self, tenant: str, ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        if "find" in self.away:
            raise unavailable("AUDIT_UNAVAILABLE", "the audit log does not answer")
        return {name: self.events[tenant, name].data for name in ids if (tenant, name) in self.events}

    def data(self, event_type: str) -> Mapping[str, Any]:
        """Data of the only event of that type."""
        (event,) = [event for event in self.events.values() if event.type == event_type]
        return event.data


def _place(event: Event) -> tuple[str, str]:
    return event.context.principal.tenant, event.id
