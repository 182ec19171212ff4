"""Spans reach a collector, also those of the very last call, and a dead collector holds nobody up."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from amas_chassis import telemetry
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from .authority import Authority
from .echo import EchoRequest
from .processes import START_SECONDS, Start, calling


class Collector(trace_service_pb2_grpc.TraceServiceServicer):  # type: ignore[misc]  # untyped stubs
    """Keeps the spans that it is sent."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.hangs = False

    async def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - OTLP's name
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
        if self.hangs:
            await asyncio.Event().wait()
        return trace_service_pb2.ExportTraceServiceResponse()


@asynccontextmanager
async def serving(collector: Collector) -> AsyncIterator[str]:
    """The URL of a collector."""
    server = grpc.aio.server()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"http://127.0.0.1:{port}"
    await server.stop(None)


async def test_the_last_call_is_exported_before_the_process_ends(start: Start, authority: Authority) -> None:
    """I12: telemetry is flushed after the drain, so that the span of a call answered during it arrives."""
    collector = Collector()
    telemetry.configure("test", None)
    async with serving(collector) as url, start("patient", OTLP_ENDPOINT=url) as process:
        await process.said("ready to serve")
        async with calling(process, authority) as stub:
            with telemetry.tracer("test").start_as_current_span("begin"):
                trace_id = telemetry.current_trace_id()
                await stub.Echo(EchoRequest(text="last"))
            process.process.send_signal(signal.SIGTERM)
            assert await process.ended() == 0
    (span,) = [span for span in collector.spans if span.name.endswith("EchoService/Echo")]
    assert span.trace_id.hex() == trace_id
    assert {a.key: a.value.string_value for a in span.attributes}["rpc.caller"] == "friend"


async def test_a_dead_collector_does_not_hold_up_the_end(start: Start, authority: Authority) -> None:
    """The flush is bounded, though the exporter's own patience is not over."""
    collector = Collector()
    collector.hangs = True
    async with serving(collector) as url, start(OTLP_ENDPOINT=url) as process:
        await process.said("ready to serve")
        async with calling(process, authority) as stub:
            await stub.Echo(EchoRequest(text="x"))
        process.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(START_SECONDS):
            assert await process.ended() == 0
