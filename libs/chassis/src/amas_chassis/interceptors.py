"""What every gRPC server of ours puts around a call: trace, metrics, errors, deadline, access, validation.

Each concern is a layer of its own here; `server_calls` knows the shapes of handlers. It must never tell a client more
of an unexpected exception than that there was one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from contextvars import Token
from functools import lru_cache
from typing import Any

import grpc
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode

from . import deadlines, telemetry
from .errors import AmasError, ErrorKind
from .identity import service_of
from .metrics import GrpcServerMetrics, grpc_server_metrics
from .mux.frames import CARRY
from .rpc_errors import from_rpc_error
from .server_calls import CallInterceptor, Layer, ServerCall
from .validation import validate

__all__ = ["AccessLayer", "internal_interceptor", "public_interceptor"]

_log = logging.getLogger(__name__)

# Served to every peer with a valid certificate: probes and debugging tools belong to no caller list.
_OPEN_TO_ALL_PEERS = ("/grpc.health.v1.Health/", "/grpc.reflection.")
# Methods whose descriptions are kept; the contracts have fewer.
MAX_METHODS = 1_024
# What a downstream failure may become for our own caller; anything else is a fault of ours.
_PASSED_ON = frozenset({ErrorKind.UNAVAILABLE, ErrorKind.DEADLINE_EXCEEDED, ErrorKind.RESOURCE_EXHAUSTED})


def internal_interceptor(
    trust_domain: str, callers: Mapping[str, frozenset[str]]
) -> grpc.aio.ServerInterceptor[Any, Any]:
    """For the mutual-TLS server between services: only the callers listed for a method get through."""
    access = AccessLayer(trust_domain, callers)
    return _interceptor(access, carrying=(ErrorLayer(), access))


def public_interceptor(*layers: Layer) -> grpc.aio.ServerInterceptor[Any, Any]:
    """For a server that outsiders reach: no caller list; `layers` add authentication and limits."""
    return _interceptor(*layers)


def _interceptor(*inner: Layer, carrying: Sequence[Layer] = ()) -> CallInterceptor:
    metrics = MetricsLayer(grpc_server_metrics())
    layers: list[Layer] = [TraceLayer(), metrics, ErrorLayer(), DeadlineLayer(), *inner]
    return CallInterceptor(layers, validate, carrying=carrying)


class TraceLayer:
    """A server span a call, continuing the caller's trace."""

    def __init__(self) -> None:
        self._tracer = telemetry.tracer(__name__)

    def enter(self, call: ServerCall) -> tuple[trace.Span, Token[Context]]:
        """Make the span current for the task that serves the call."""
        carried = ""
        for key, value in call.context.invocation_metadata() or ():
            if key == "traceparent":
                carried = str(value)
        parent = telemetry.context_from_traceparent(carried)
        name, attributes = _described(call.method)
        span = self._tracer.start_span(name, parent, SpanKind.SERVER, attributes)
        return span, otel_context.attach(trace.set_span_in_context(span))

    def leave(
        self, call: ServerCall, entered: tuple[trace.Span, Token[Context]], error: BaseException | None
    ) -> BaseException | None:
        """End the span."""
        span, token = entered
        if error is not None:
            span.set_status(Status(StatusCode.ERROR, _code_of(error, call.context)))
        span.set_attribute("rpc.caller", call.caller)
        span.end()
        otel_context.detach(token)
        return error


class MetricsLayer:
    """Counts and times every call by method, code and caller."""

    def __init__(self, metrics: GrpcServerMetrics) -> None:
        self._metrics = metrics

    def enter(self, call: ServerCall) -> float:
        """Take the time."""
        self._metrics.in_flight.inc()
        return time.perf_counter()

    def leave(self, call: ServerCall, entered: float, error: BaseException | None) -> BaseException | None:
        """Observe the call, whatever its end."""
        self._metrics.in_flight.dec()
        seconds = time.perf_counter() - entered
        code = "OK" if error is None else _code_of(error, call.context)
        self._metrics.observe(call.method, code, call.caller, seconds, telemetry.current_trace_id())
        return error


class ErrorLayer:
    """Turns whatever a handler raises into an AmasError."""

    def enter(self, call: ServerCall) -> None:
        """Nothing."""

    def leave(self, call: ServerCall, entered: None, error: BaseException | None) -> BaseException | None:
        """Let AmasError and grpc's own aborts pass; log and hide the rest."""
        if error is None or isinstance(error, AmasError | grpc.aio.AbortError) or not isinstance(error, Exception):
            return error
        shown = None
        if isinstance(error, grpc.aio.AioRpcError):
            told = from_rpc_error(error)
            shown = told if told.kind in _PASSED_ON else None
        if shown is None:
            shown = _hidden(call, error)
        shown.__cause__ = error
        return shown


class DeadlineLayer:
    """Makes the caller's deadline hold for the calls that the handler makes."""

    def enter(self, call: ServerCall) -> deadlines.Limit:
        """The handler's clients see what is left."""
        return deadlines.begin(call.context.time_remaining())

    def leave(self, call: ServerCall, entered: deadlines.Limit, error: BaseException | None) -> BaseException | None:
        """What the handler left behind is free of it."""
        deadlines.end(entered)
        return error


class AccessLayer:
    """Lets in only callers that the method lists."""

    def __init__(self, trust_domain: str, callers: Mapping[str, frozenset[str]]) -> None:
        self._trust_domain = trust_domain
        # Whoever may call something may open a stream for it; each call in it is looked at by itself.
        self._callers = {CARRY: frozenset().union(*callers.values()), **callers}

    def enter(self, call: ServerCall) -> None:
        """Raise UNAUTHENTICATED for no identity, PERMISSION_DENIED for a wrong one; an unlisted method is refused."""
        call.caller = service_of(call.context.auth_context(), trust_domain=self._trust_domain)
        if not call.method.startswith(_OPEN_TO_ALL_PEERS) and call.caller not in self._callers.get(call.method, ()):
            _log.warning("caller refused", extra={"method": call.method, "caller": call.caller})
            raise AmasError(
                ErrorKind.PERMISSION_DENIED,
                "CALLER_NOT_ALLOWED",
                f"{call.caller} may not call {call.method}",
                metadata={"caller": call.caller, "method": call.method},
            )

    def leave(self, call: ServerCall, entered: None, error: BaseException | None) -> BaseException | None:
        """Nothing."""
        return error


@lru_cache(maxsize=MAX_METHODS)
def _described(method: str) -> tuple[str, dict[str, str]]:
    """A span's name and attributes."""
    service, _, name = method.removeprefix("/").rpartition("/")
    return f"{service}/{name}", {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}


def _hidden(call: ServerCall, error: Exception) -> AmasError:
    _log.error("handler failed", exc_info=error, extra={"method": call.method, "caller": call.caller})
    trace_id = telemetry.current_trace_id()
    return AmasError(ErrorKind.INTERNAL, "INTERNAL", "internal error", metadata={"trace_id": trace_id})


def _code_of(error: BaseException, context: grpc.aio.ServicerContext[Any, Any]) -> str:
    if isinstance(error, AmasError):
        return error.kind.value
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return "CANCELLED"
    code = context.code()
    return code.name if isinstance(code, grpc.StatusCode) else "UNKNOWN"
