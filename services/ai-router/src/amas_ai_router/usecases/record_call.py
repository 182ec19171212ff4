"""Puts calls on record: budgets first, then the ledger and audit, and only then the answer may be given.

A crash between the two is mended by the next call with the same key, which appends the kept event again. Recording
goes on when the client goes away: what was used is billed.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError
from amas_governance.labels import Label

from amas_ai_router.domain.errors import FENCED, ModelCallError, after_provider, key_reused
from amas_ai_router.domain.model import CallContext
from amas_ai_router.domain.records import (
    CANCELLED,
    LATE,
    LOST,
    MODEL_CALLED,
    MODEL_REFUSED,
    OK,
    STREAM_STARTED,
    Answer,
    AuditEvent,
    CallRecord,
    KeptAnswer,
    call_id_for,
    called_data,
    make_event,
    refused_data,
    scope_of,
)
from amas_ai_router.ports import AuditLog, EventOutbox, Ledger
from amas_ai_router.telemetry import RouterTelemetry

from .admit_call import Admission
from .background import Background
from .bill_attempt import BillAttempt

T = TypeVar("T")

# Reason of a row that could not be written.
LEDGER_AWAY = "LEDGER_UNAVAILABLE"


class RecordCall:
    """Writes what happened."""

    def __init__(
        self,
        ledger: Ledger,
        audit: AuditLog,
        outbox: EventOutbox,
        bill: BillAttempt,
        telemetry: RouterTelemetry,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._bill = bill
        self._audit = audit
        self._outbox = outbox
        self._telemetry = telemetry
        self._clock = clock
        self._background = Background("a call could not be put on record")

    async def replay(self, context: CallContext, request_digest: str) -> KeptAnswer | None:
        """The answer kept for the call's key, its event on record; None if there is none.

        Raises IDEMPOTENCY_KEY_REUSED, or FENCED for a late executor, before anything is spent.
        """
        scope = scope_of(context)
        kept = await self._ledger.find_kept(scope, context) if scope is not None else None
        if kept is None:
            return None
        if kept.request_digest != request_digest:
            raise key_reused()
        # The fence was checked when it was first recorded; a crash may have come before this append.
        await self._audit.append(kept.event)
        self._telemetry.replayed()
        return replace(kept, report=replace(kept.report, replayed=True))

    async def answered(self, admission: Admission, answer: Answer) -> KeptAnswer:
        """Records a call and answers what to give: its body, or what another replica kept for the key meanwhile.

        Only a whole answer is kept. Raises ModelCallError.
        """
        return await self._to_the_end(self._answered(admission, answer))

    async def _answered(self, admission: Admission, answer: Answer) -> KeptAnswer:
        context = admission.context
        # Budgets first: whoever dies between the two has counted too much, never too little.
        in_time = await self._bill.settle(answer.hold, answer.report.usage)
        if not in_time:
            self._telemetry.late()
        event, record = self._entry(admission, answer, answer.outcome if in_time else LATE)
        kept = KeptAnswer(admission.request_digest, answer.body, answer.report, event)
        scope = scope_of(context) if answer.outcome == OK else None
        alone = scope is None and not context.fencing_token
        try:
            if alone:
                await self._both(record, event, answer)
                return kept
            written = await self._ledger.record(record, scope, kept if scope is not None else None)
            if not written:
                await self._outrun(admission, answer, LOST if in_time else LATE)
                earlier = await self.replay(context, admission.request_digest)
                return earlier or kept
            await self._tell(event, answer, context.fencing_token)
        except AmasError as error:
            withheld = after_provider(error)
            if error.reason == FENCED or (error.reason == LEDGER_AWAY and not alone):
                # The provider was asked in vain; the record says so, although nobody is billed.
                await self.failed(admission, withheld, answer.report.failovers)
            raise withheld from error
        return kept

    async def _tell(self, event: AuditEvent, answer: Answer, fencing_token: int = 0) -> None:
        """Nobody gets the rest of a stream whose client has gone, so that its event need not be waited for."""
        if answer.outcome == CANCELLED:
            self._outbox.put(event)
        else:
            await self._audit.append(event, fencing_token)

    async def _both(self, record: CallRecord, event: AuditEvent, answer: Answer) -> None:
        """Ledger and audit at once: nothing of the one hangs on the other's word, and the answer waits for both."""
        appending = asyncio.ensure_future(self._tell(event, answer))
        try:
            await self._ledger.record(record, None, None)
        finally:
            await asyncio.wait((appending,))
            failure = appending.exception()
        if failure is not None:
            raise failure

    async def _outrun(self, admission: Admission, answer: Answer, outcome: str) -> None:
        """Another replica's answer stands under the key; what this one cost is on record under an id of its own."""
        if not answer.report.attempts:
            return
        alone = replace(answer, report=replace(answer.report, call_id=call_id_for(None)))
        event, record = self._entry(admission, alone, outcome)
        await self._ledger.record(record, None, None)
        await self._audit.append(event, admission.context.fencing_token)

    def _entry(self, admission: Admission, answer: Answer, outcome: str) -> tuple[AuditEvent, CallRecord]:
        """The call for audit and for the ledger."""
        context, operation, route, report = admission.context, admission.operation, admission.route.name, answer.report
        data = called_data(
            operation,
            route,
            answer,
            outcome=outcome,
            decision_id=admission.decision.id,
            in_full=admission.audited_in_full,
        )
        event = self._event(f"model:{report.call_id}", MODEL_CALLED, admission, data)
        return event, CallRecord(context, route, operation, outcome, report, event.trace_id, event.time)

    async def started(self, admission: Admission, request_digest: str) -> None:
        """Puts on record that a stream begins: its first chunk leaves before its end is known."""
        data = {
            "operation": admission.operation.value,
            "route": admission.route.name,
            "requestDigest": request_digest,
            "decision": admission.decision.id,
        }
        event = self._event(f"model-started:{uuid.uuid4().hex}", STREAM_STARTED, admission, data)
        await self._audit.append(event, admission.context.fencing_token)

    async def refused(self, admission: Admission, reason: str, failovers: Sequence[str] = ()) -> None:
        """Puts on record that a call got no answer."""
        await self._to_the_end(self._audit.append(self._refusal(admission, reason, failovers)))

    def _refusal(self, admission: Admission, reason: str, failovers: Sequence[str]) -> AuditEvent:
        self._telemetry.refused(reason)
        data = refused_data(admission.operation, admission.route.name, reason, failovers, admission.decision.id)
        return self._event(f"model-refused:{uuid.uuid4().hex}", MODEL_REFUSED, admission, data)

    async def failed(self, admission: Admission, error: AmasError, failovers: Sequence[str]) -> None:
        """Puts on record that no provider answered, or that no budget let one be asked.

        Raises what went wrong with the record instead, as a ModelCallError if a provider was asked.
        """
        try:
            await self.refused(admission, error.reason, failovers)
        except AmasError as unrecorded:
            raise after_provider(unrecorded) if isinstance(error, ModelCallError) else unrecorded from error

    def abandoned(self, admission: Admission, failovers: Sequence[str]) -> None:
        """The client went away before an answer: the event goes into the outbox, since nobody waits."""
        self._outbox.put(self._refusal(admission, "CLIENT_CANCELLED", failovers))

    def in_background(self, recording: Coroutine[Any, Any, Any]) -> None:
        """Records what nobody waits for; draining does."""
        self._background.run(recording)

    async def drain(self) -> None:
        """Waits, bounded, for records under way."""
        await self._background.drain()

    async def _to_the_end(self, recording: Coroutine[Any, Any, T]) -> T:
        """Awaits a recording that goes on if the caller is cancelled."""
        return await asyncio.shield(self._background.run(recording))

    def _event(self, event_id: str, event_type: str, admission: Admission, data: dict[str, Any]) -> AuditEvent:
        context = admission.context
        # Outside of a run nobody need say a label, and silence does not mean `public`.
        if context.run_id or context.label != Label.LOWEST:
            data["label"] = context.label.to_dict()
        return make_event(
            event_id,
            event_type,
            context,
            admission.role_version,
            self._clock.now(),
            self._telemetry.trace_ids(),
            data,
        )
