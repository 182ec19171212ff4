"""Tracing: one tracer provider per process, W3C trace context in and out.

The SDK is always installed, so that every log line and audit record has a trace id even where nothing is exported;
spans leave the process only if an OTLP endpoint is configured. It must never block a request on an exporter.
"""

from __future__ import annotations

import re
import threading

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from .tracing import Provider

__all__ = [
    "configure",
    "context_from_traceparent",
    "current_ids",
    "current_span_id",
    "current_trace_id",
    "shutdown",
    "traceparent",
    "traceparent_of",
    "tracer",
]

# How long shutdown waits for the exporter, so that a dead collector cannot hold up an exit (seconds).
FLUSH_SECONDS = 3.0
# Spans waiting for export; more are dropped rather than held in memory.
MAX_QUEUED_SPANS = 4_096

_PROPAGATOR = TraceContextTextMapPropagator()
# What nearly every caller sends (W3C trace context, version 00); anything else is the propagator's.
_USUAL = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


def configure(service: str, otlp_endpoint: str | None) -> None:
    """Install the SDK once; a later call with an endpoint adds the export to what is installed."""
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        # atexit would flush a second time, after the interpreter has begun to go away.
        provider = Provider(resource=Resource.create({SERVICE_NAME: service}), shutdown_on_exit=False)
        trace.set_tracer_provider(provider)
    if otlp_endpoint:
        provider.add_span_processor(_otlp_processor(otlp_endpoint))


def _otlp_processor(endpoint: str) -> BatchSpanProcessor:
    # Imported here: the exporter costs 60 ms and 10 MB, and most processes on a laptop never export.
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://") or "://" not in endpoint)
    return BatchSpanProcessor(exporter, max_queue_size=MAX_QUEUED_SPANS)


def tracer(name: str) -> trace.Tracer:
    """The tracer for an instrumentation scope, usually the module's name."""
    return trace.get_tracer(name)


def current_trace_id() -> str:
    """The trace id of the current context (32 hex digits), or "" outside any span."""
    return current_ids()[0]


def current_span_id() -> str:
    """The span id of the current context (16 hex digits), or "" outside any span."""
    return current_ids()[1]


def current_ids() -> tuple[str, str]:
    """Trace id and span id of the current context, as current_trace_id and current_span_id tell them."""
    span = trace.get_current_span().get_span_context()
    return (f"{span.trace_id:032x}", f"{span.span_id:016x}") if span.is_valid else ("", "")


def traceparent(context: Context | None = None) -> str:
    """The current context as a W3C traceparent header, or "" outside any span."""
    return traceparent_of(trace.get_current_span(context))


def traceparent_of(span: Span) -> str:
    """A span as a W3C traceparent header, or "" for one without ids."""
    ids = span.get_span_context()
    return f"00-{ids.trace_id:032x}-{ids.span_id:016x}-{ids.trace_flags:02x}" if ids.is_valid else ""


def context_from_traceparent(value: str) -> Context:
    """A context that continues the trace in `value`; a malformed or empty value gives one without a parent.

    It never inherits the caller's span. Use it as `tracer.start_as_current_span(name, context=...)`.
    """
    usual = _USUAL.fullmatch(value)
    if usual is not None:
        trace_id, span_id, flags = usual.groups()
        ids = SpanContext(int(trace_id, 16), int(span_id, 16), True, TraceFlags(int(flags, 16)))
        if ids.is_valid:
            return trace.set_span_in_context(NonRecordingSpan(ids), Context())
    return _PROPAGATOR.extract({"traceparent": value} if value else {}, context=Context())


def shutdown() -> None:
    """Flush what is waiting and stop exporting; at most FLUSH_SECONDS."""
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        return

    def flush() -> None:
        provider.force_flush(int(FLUSH_SECONDS * 1_000))
        provider.shutdown()

    # In a thread of its own: the exporter keeps to no bound of ours while it tries again.
    flushing = threading.Thread(target=flush, name="telemetry-flush", daemon=True)
    flushing.start()
    flushing.join(FLUSH_SECONDS)
