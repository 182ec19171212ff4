"""Spans of model calls, as a collector sees them: named and described by the GenAI semantic conventions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from amas_ai_router.domain.errors import AttemptError, FailureReason
from amas_chassis.errors import AmasError
from amas_chassis.tracing import Provider
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from .fakes import ListSink, Router
from .test_stream_complete import GOOD, FakeStream

Spans = Callable[[], list[ReadableSpan]]


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Spans:
    """What was exported by routers that are made after this, in a provider of their own."""
    provider, exporter = Provider(shutdown_on_exit=False), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("amas_ai_router.telemetry.tracing.tracer", provider.get_tracer)
    return lambda: list(exporter.get_finished_spans())


@pytest.mark.parametrize("streams", [False, True])
async def test_an_answered_call(spans: Spans, streams: bool) -> None:
    """Operation, provider, model, tokens and finish; attempts and route are ours. No text of anybody is in it."""
    router = await Router().load()
    if streams:
        router.providers.will("p0/m", FakeStream(GOOD))
        await router.do.stream_complete.run(router.request(), ListSink())
    else:
        await router.do.complete.run(router.request())
    (span,) = spans()
    assert (span.name, span.kind, span.status.status_code) == ("chat default", SpanKind.CLIENT, StatusCode.UNSET)
    assert dict(span.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "p0",
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.response.finish_reasons": ("stop",),
        "amas.route": "default",
        "amas.attempts": 1,
    }
    assert not span.events


async def test_a_call_that_failed(spans: Spans) -> None:
    """The reason stands in `error.type`, and the words of the error, which may quote a request, do not."""
    router = await Router().load()
    for target in ("p0/m", "p1/m"):
        router.providers.will(target, AttemptError(FailureReason.CONNECT_FAILED, "quoted words"))
    with pytest.raises(AmasError):
        await router.do.complete.run(router.request())
    (span,) = spans()
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "MODEL_UNAVAILABLE"
    assert "quoted" not in span.to_json()
