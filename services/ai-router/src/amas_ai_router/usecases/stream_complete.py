"""Answers a Chat Completions request chunk by chunk.

Until the first token another target may take over; after it a break is told as such, with what was delivered and
billed. The start is on record before the first chunk leaves, the end before the last message does.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError
from opentelemetry.trace import Span

from amas_ai_router.domain.cached_answers import CachedAnswer
from amas_ai_router.domain.errors import after_provider
from amas_ai_router.domain.model import CallReport, ModelRequest, Operation
from amas_ai_router.domain.records import BROKEN, CANCELLED, OK, KeptAnswer, bytes_digest, scope_of
from amas_ai_router.domain.stream_chunks import with_usage
from amas_ai_router.telemetry import RouterTelemetry

from .admit_call import Admission, AdmitCall
from .answer_cache import AnswerCache, Slot
from .deliver_stream import Delivery
from .give_cached import cached_answer
from .keyed_locks import KeyedLocks
from .open_stream import OpenStream
from .record_call import RecordCall


class Sink(Protocol):
    """Where chunks go. It returns when there is room for the next one, so a slow reader slows the provider down."""

    async def chunk(self, data: bytes) -> None:
        """Sends one chunk."""
        ...


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """How a stream ended; `reason` is empty for one that ended well."""

    report: CallReport
    reason: str = ""
    message: str = ""


class StreamComplete:
    """The way of every streamed call."""

    def __init__(
        self,
        admit: AdmitCall,
        opener: OpenStream,
        record: RecordCall,
        caches: AnswerCache,
        locks: KeyedLocks,
        telemetry: RouterTelemetry,
        clock: Clock,
    ) -> None:
        self._admit = admit
        self._opener = opener
        self._record = record
        self._caches = caches
        self._locks = locks
        self._telemetry = telemetry
        self._clock = clock

    async def run(self, request: ModelRequest, sink: Sink) -> StreamEnd:
        """Sends the chunks and answers how it ended. Raises AmasError only before the first chunk."""
        with self._telemetry.call(Operation.CHAT, request.route) as span:
            admission = await self._admit.run(request, Operation.CHAT, stream=True)
            if admission.refusal is not None:
                await self._record.refused(admission, admission.refusal.reason)
                raise admission.refusal
            async with self._locks.hold(scope_of(request.context)):
                kept = await self._record.replay(request.context, admission.request_digest)
                if kept is not None:
                    return await _replay(kept, sink)
                async with self._caches.slot(admission, stream=True) as slot:
                    if slot.hit is not None:
                        return await self._give(request, admission, slot.hit, sink, span)
                    return await self._stream(request, admission, sink, slot, span)

    async def _give(
        self, request: ModelRequest, admission: Admission, hit: CachedAnswer, sink: Sink, span: Span
    ) -> StreamEnd:
        answer = cached_answer(request, hit, bytes_digest(hit.body + b"\n"))
        self._telemetry.cached(span, admission.route.name, answer.report)
        return await _replay(await self._record.answered(admission, answer), sink)

    async def _stream(
        self, request: ModelRequest, admission: Admission, sink: Sink, slot: Slot, span: Span
    ) -> StreamEnd:
        fields, usage_wanted = with_usage(admission.outgoing().fields)
        failovers: list[str] = []
        try:
            opened = await self._opener.run(admission.outgoing(), fields, failovers)
        except AmasError as error:
            await self._record.failed(admission, error, failovers)
            raise
        except asyncio.CancelledError:
            self._record.abandoned(admission, failovers)
            raise
        keeps = bool(request.context.idempotency_key) or admission.cached or admission.audited_in_full
        delivery = Delivery(
            request,
            opened,
            failovers,
            self._clock,
            guard=admission.guard(),
            usage_wanted=usage_wanted,
            keeps=keeps,
        )
        try:
            await self._begin(admission, delivery, span)
            return await self._deliver(admission, delivery, sink, slot, span)
        finally:
            await opened.close()

    async def _begin(self, admission: Admission, delivery: Delivery, span: Span) -> None:
        try:
            await self._record.started(admission, delivery.request_digest())
        except BaseException as error:
            # Nothing was delivered, but the provider has begun: that is billed.
            self._record.in_background(self._finish(admission, delivery, CANCELLED, span))
            if isinstance(error, AmasError):
                raise after_provider(error) from error
            raise

    async def _deliver(self, admission: Admission, delivery: Delivery, sink: Sink, slot: Slot, span: Span) -> StreamEnd:
        try:
            broken = await delivery.forward(sink.chunk)
        except BaseException:
            # The client is gone (or the process stops): what was delivered is billed, although nobody waits for it.
            self._record.in_background(self._finish(admission, delivery, CANCELLED, span))
            raise
        outcome = OK if broken is None else BROKEN
        try:
            report = await self._finish(admission, delivery, outcome, span)
        except AmasError as error:
            # The chunks are out; what is left is to say that the end is not on record.
            return StreamEnd(delivery.report(OK), error.reason, error.message)
        if broken is not None:
            return StreamEnd(report, broken.reason, "the stream broke after its first token")
        answer = delivery.answer(OK)
        await slot.keep(CachedAnswer(answer.body, report.usage, report.provider, report.model, "memo", answer.finish))
        return StreamEnd(report)

    async def _finish(self, admission: Admission, delivery: Delivery, outcome: str, span: Span) -> CallReport:
        answer = delivery.answer(outcome)
        report = answer.report
        self._telemetry.answered(span, Operation.CHAT, report, answer.finish)
        self._telemetry.redacted(admission.route.name, answer.redactions)
        seconds = delivery.seconds_after_first()
        self._telemetry.output_speed(Operation.CHAT, report.provider, report.model, report.usage.tokens.output, seconds)
        return (await self._record.answered(admission, answer)).report


async def _replay(kept: KeptAnswer, sink: Sink) -> StreamEnd:
    for line in kept.body.split(b"\n"):
        await sink.chunk(line)
    return StreamEnd(kept.report)
