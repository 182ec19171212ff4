"""A tracer provider whose spans cost next to nothing while nobody exports them.

The SDK's span holds attributes, events and times for an exporter; without one they are thrown away. Ids and their way
from call to call are the same either way. It must never leave out a span that a processor would see.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags, Tracer
from opentelemetry.util.types import Attributes

__all__ = ["Provider"]

_ROOT_FLAGS = TraceFlags(TraceFlags.SAMPLED | TraceFlags.RANDOM_TRACE_ID)


class Provider(TracerProvider):
    """The SDK's provider; full spans begin with its first processor."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.observed = False

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """See TracerProvider."""
        super().add_span_processor(span_processor)
        self.observed = True

    def get_tracer(self, *args: Any, **options: Any) -> Tracer:
        """See TracerProvider."""
        return _Tracer(self, super().get_tracer(*args, **options))


class _Tracer(Tracer):
    def __init__(self, provider: Provider, full: Tracer) -> None:
        self._provider = provider
        self._full = full

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = (),
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> Span:
        """A full span if something will see it, else only its ids."""
        if self._provider.observed:
            return self._full.start_span(
                name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception
            )
        ids = self._provider.id_generator
        parent = trace.get_current_span(context).get_span_context()
        if parent.is_valid:
            own = SpanContext(parent.trace_id, ids.generate_span_id(), False, parent.trace_flags, parent.trace_state)
        else:
            own = SpanContext(ids.generate_trace_id(), ids.generate_span_id(), False, _ROOT_FLAGS)
        return NonRecordingSpan(own)

    @contextmanager
    def start_as_current_span(  # type: ignore[override]  # the API's context manager also decorates coroutines
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = (),
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> Iterator[Span]:
        """See Tracer."""
        span = self.start_span(
            name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception
        )
        with trace.use_span(span, end_on_exit, record_exception, set_status_on_exception) as current:
            yield current
