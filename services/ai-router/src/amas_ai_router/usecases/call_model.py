"""One model call with a whole answer: admit, replay or ask, record, answer. Complete and Embed are this."""

from __future__ import annotations

import asyncio

import orjson
from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError
from opentelemetry.trace import Span

from amas_ai_router.domain.bodies import finish_reason, used_tokens
from amas_ai_router.domain.cached_answers import CachedAnswer
from amas_ai_router.domain.model import CallReport, ModelRequest, Operation
from amas_ai_router.domain.pricing import usage_of
from amas_ai_router.domain.records import Answer, bytes_digest, call_id_for, scope_of
from amas_ai_router.telemetry import RouterTelemetry

from .admit_call import Admission, AdmitCall
from .answer_cache import AnswerCache, Slot
from .ask_targets import Asked, AskTargets
from .give_cached import cached_answer
from .keyed_locks import KeyedLocks
from .record_call import RecordCall


class CallModel:
    """The way of every call whose answer comes in one piece."""

    def __init__(
        self,
        admit: AdmitCall,
        targets: AskTargets,
        record: RecordCall,
        caches: AnswerCache,
        locks: KeyedLocks,
        telemetry: RouterTelemetry,
        clock: Clock,
    ) -> None:
        self._admit = admit
        self._targets = targets
        self._record = record
        self._caches = caches
        self._locks = locks
        self._telemetry = telemetry
        self._clock = clock

    async def run(self, request: ModelRequest, operation: Operation) -> tuple[bytes, CallReport]:
        """The answer's body and how it was served. Raises AmasError; ModelCallError once a provider was asked."""
        with self._telemetry.call(operation, request.route) as span:
            admission = await self._admit.run(request, operation)
            if admission.refusal is not None:
                await self._record.refused(admission, admission.refusal.reason)
                raise admission.refusal
            async with self._locks.hold(scope_of(request.context)):
                kept = await self._record.replay(request.context, admission.request_digest)
                if kept is not None:
                    return kept.body, kept.report
                async with self._caches.slot(admission, stream=False) as slot:
                    if slot.hit is not None:
                        return await self._give(request, admission, slot.hit, span)
                    return await self._ask(request, admission, slot, span)

    async def _give(
        self, request: ModelRequest, admission: Admission, hit: CachedAnswer, span: Span
    ) -> tuple[bytes, CallReport]:
        answer = cached_answer(request, hit, bytes_digest(hit.body))
        self._telemetry.cached(span, admission.route.name, answer.report)
        given = await self._record.answered(admission, answer)
        return given.body, given.report

    async def _ask(
        self, request: ModelRequest, admission: Admission, slot: Slot, span: Span
    ) -> tuple[bytes, CallReport]:
        begun = self._clock.monotonic()
        failovers: list[str] = []
        try:
            asked = await self._targets.run(admission.outgoing(), failovers)
        except AmasError as error:
            await self._record.failed(admission, error, failovers)
            raise
        except asyncio.CancelledError:
            self._record.abandoned(admission, failovers)
            raise
        answer = self._answer(request, admission, asked, failovers, begun)
        report = answer.report
        self._telemetry.answered(span, admission.operation, report, answer.finish)
        self._telemetry.redacted(admission.route.name, answer.redactions)
        given = await self._record.answered(admission, answer)
        await slot.keep(CachedAnswer(answer.body, report.usage, report.provider, report.model, "memo", answer.finish))
        return given.body, given.report

    def _answer(
        self, request: ModelRequest, admission: Admission, asked: Asked, failovers: list[str], begun: float
    ) -> Answer:
        body, fields = asked.answer.body, asked.answer.fields
        tokens = used_tokens(admission.operation, fields, len(request.body), len(body))
        guard = admission.guard()
        if guard is not None:
            # Written again in any case: of a member that stands twice, only the one that was judged goes on.
            fields, _ = guard.whole(fields)
            body = orjson.dumps(fields)
        report = CallReport(
            call_id=call_id_for(scope_of(request.context)),
            provider=asked.target.provider,
            model=asked.target.model,
            usage=usage_of(tokens, asked.target.prices, self._clock.now().date()),
            attempts=asked.attempts,
            duration_ms=round((self._clock.monotonic() - begun) * 1000),
            failovers=tuple(failovers),
        )
        return Answer(
            report,
            body,
            request.body,
            bytes_digest(body),
            finish_reason(fields),
            hold=asked.hold,
            redactions={} if guard is None else guard.findings,
        )
