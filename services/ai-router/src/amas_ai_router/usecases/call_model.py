"""One model call with a whole answer: admit, replay or ask, record, answer. Complete and Embed are this."""

from __future__ import annotations

import asyncio

from amas_chassis.clock import Clock
from opentelemetry.trace import Span

from amas_ai_router.domain.bodies import estimate, finish_reason, reported_tokens
from amas_ai_router.domain.errors import ModelCallError, denied
from amas_ai_router.domain.model import CallReport, ModelRequest, Operation
from amas_ai_router.domain.pricing import usage_of
from amas_ai_router.domain.records import bytes_digest, call_id_for, scope_of
from amas_ai_router.telemetry import RouterTelemetry

from .admit_call import Admission, AdmitCall
from .ask_targets import Asked, AskTargets
from .keyed_locks import KeyedLocks
from .record_call import RecordCall


class CallModel:
    """The way of every call whose answer comes in one piece."""

    def __init__(
        self,
        admit: AdmitCall,
        targets: AskTargets,
        record: RecordCall,
        locks: KeyedLocks,
        telemetry: RouterTelemetry,
        clock: Clock,
    ) -> None:
        self._admit = admit
        self._targets = targets
        self._record = record
        self._locks = locks
        self._telemetry = telemetry
        self._clock = clock

    async def run(self, request: ModelRequest, operation: Operation) -> tuple[bytes, CallReport]:
        """The answer's body and how it was served. Raises AmasError; ModelCallError once a provider was asked."""
        with self._telemetry.call(operation, request.route) as span:
            admission = await self._admit.run(request, operation)
            if not admission.decision.allowed:
                error = denied(admission.decision.reasons)
                await self._record.refused(admission, error.reason)
                raise error
            async with self._locks.hold(scope_of(request.context)):
                kept = await self._record.replay(request.context, admission.request_digest)
                if kept is not None:
                    return kept.body, kept.report
                return await self._ask(request, admission, span)

    async def _ask(self, request: ModelRequest, admission: Admission, span: Span) -> tuple[bytes, CallReport]:
        begun = self._clock.monotonic()
        failovers: list[str] = []
        try:
            asked = await self._targets.run(admission, failovers)
        except ModelCallError as error:
            await self._record.failed(admission, error, failovers)
            raise
        except asyncio.CancelledError:
            self._record.abandoned(admission, failovers)
            raise
        report = self._report(request, admission, asked, failovers, begun)
        finish = finish_reason(asked.answer.fields)
        self._telemetry.answered(span, admission.operation, report, finish)
        digests = {"request": bytes_digest(request.body), "response": bytes_digest(asked.answer.body)}
        given = await self._record.answered(admission, report, asked.answer.body, digests, finish=finish)
        return given.body, given.report

    def _report(
        self, request: ModelRequest, admission: Admission, asked: Asked, failovers: list[str], begun: float
    ) -> CallReport:
        answer = asked.answer
        tokens = reported_tokens(answer.fields) or estimate(len(request.body), len(answer.body))
        return CallReport(
            call_id=call_id_for(scope_of(request.context)),
            provider=asked.target.provider,
            model=asked.target.model,
            usage=usage_of(tokens, asked.target.prices, self._clock.now().date()),
            attempts=asked.attempts,
            duration_ms=round((self._clock.monotonic() - begun) * 1000),
            failovers=tuple(failovers),
        )
