"""Spans reach a collector, also those of the very last call, and a dead collector holds nobody up."""

from __future__ import annotations

import signal
import time
from typing import Any

import grpc
from amas_chassis import telemetry
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from .authority import Authority
from .echo import EchoRequest
from .processes import Start, calling, free_port

# A dead collector may cost this much at the end of a process (seconds).
LATE_SECONDS = 6


class Collector(trace_service_pb2_grpc.TraceServiceServicer):  # type: ignore[misc]  # untyped stubs
    """Keeps the spans that it is sent."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    async def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - OTLP's name
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
        return trace_service_pb2.ExportTraceServiceResponse()


async def test_the_last_call_is_exported_before_the_process_ends(start: Start, authority: Authority) -> None:
    """I12: telemetry is flushed after the drain, so that the span of a call answered during it arrives."""
    collector, server = Collector(), grpc.aio.server()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    telemetry.configure("test", None)
    async with start(OTLP_ENDPOINT=f"http://127.0.0.1:{port}") as process:
        await process.said("ready to serve")
        async with calling(process, authority) as stub:
            with telemetry.tracer("test").start_as_current_span("begin"):
                trace_id = telemetry.current_trace_id()
                await stub.Echo(EchoRequest(text="last"))
            process.process.send_signal(signal.SIGTERM)
            assert await process.ended() == 0
    await server.stop(None)
    (span,) = [span for span in collector.spans if span.name.endswith("EchoService/Echo")]
    assert span.trace_id.hex() == trace_id
    assert {a.key: a.value.string_value for a in span.attributes}["rpc.caller"] == "friend"


async def test_a_dead_collector_does_not_hold_up_the_end(start: Start, authority: Authority) -> None:
    """The flush is bounded."""
    async with start(OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}") as process:
        await process.said("ready to serve")
        async with calling(process, authority) as stub:
            await stub.Echo(EchoRequest(text="x"))
        begun = time.monotonic()
        process.process.send_signal(signal.SIGTERM)
        assert await process.ended() == 0
        assert time.monotonic() - begun < LATE_SECONDS
