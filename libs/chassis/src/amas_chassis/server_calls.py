"""How an interceptor wraps a handler of any of the four shapes, once, instead of one nested wrapper a concern.

Layers stand around a call, outermost first; a request check runs inside them. They are pairs of plain methods and not
context managers, whose generators cost more than what most layers do. It must never let a handler's exception reach
grpc as anything but an AmasError's status.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, NoReturn, Protocol

import grpc

from .errors import AmasError
from .mux.frames import CARRY
from .rpc_errors import STATUS_METADATA_KEY, grpc_code, to_rpc_status

__all__ = ["CallInterceptor", "Layer", "RequestCheck", "ServerCall"]

RequestCheck = Callable[[Any], None]


class ServerCall:
    """One call being served. `caller` is the peer's service once the access layer has verified it."""

    __slots__ = ("caller", "context", "method")

    def __init__(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        self.method = method
        self.context = context
        self.caller = ""


class Layer(Protocol):
    """A concern that holds around every call."""

    def enter(self, call: ServerCall) -> Any:
        """Before the request is looked at; what it answers is handed to `leave`. Raises AmasError to refuse."""
        ...

    def leave(self, call: ServerCall, entered: Any, error: BaseException | None) -> BaseException | None:
        """When the answer is out or the call has failed with `error`; answers the error to go on with. Never raises."""
        ...


class CallInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # generic in the stubs only
    """Puts layers and the request check around every handler of a server.

    `carrying` are the layers of a multiplexed stream itself, whose calls each get `layers`; without any, the server
    carries no such streams.
    """

    def __init__(self, layers: Sequence[Layer], check: RequestCheck, *, carrying: Sequence[Layer] = ()) -> None:
        self._layers = tuple(layers)
        self._carrying = tuple(carrying)
        self._check = check
        # Methods of registered services only, so the cache is bounded by the contracts.
        self._wrapped: dict[str, tuple[Any, Any]] = {}

    @property
    def carries_streams(self) -> bool:
        """Whether it knows who may open a multiplexed stream."""
        return bool(self._carrying)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler with everything around it, or None for a method that nobody serves."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        method: str = handler_call_details.method
        cached = self._wrapped.get(method)
        if cached is None or cached[0] is not handler:
            cached = (handler, self._wrap(method, handler))
            self._wrapped[method] = cached
        return cached[1]

    def _wrap(self, method: str, handler: Any) -> Any:
        make: Any = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[(handler.request_streaming, handler.response_streaming)]
        return make(self.guarded(method, handler), handler.request_deserializer, handler.response_serializer)

    def guarded(self, method: str, handler: Any) -> Callable[[Any, Any], Awaitable[Any]]:
        """The handler with everything around it, as `(request, context) -> response`; a stream is written."""
        behaviour = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
        layers, check, streaming = self._layers, self._check, handler.request_streaming
        serve = partial(_serve_stream, behaviour) if handler.response_streaming else behaviour
        if method == CARRY:
            # What it carries is no message with rules; the calls in it are checked one by one.
            layers, check = self._carrying, _unchecked

        async def guarded(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            call = ServerCall(method, context)
            entered: list[tuple[Layer, Any]] = []
            response, failure = None, None
            try:
                for layer in layers:
                    entered.append((layer, layer.enter(call)))
                if streaming:
                    request = _checked(check, request)
                else:
                    check(request)
                response = await serve(request, context)
            except BaseException as error:
                failure = error
            for layer, state in reversed(entered):
                failure = layer.leave(call, state, failure)
            if failure is None:
                return response
            if isinstance(failure, AmasError):
                return await _abort(context, failure)
            try:
                raise failure
            finally:
                # Its traceback holds this frame, which would hold it in turn.
                del failure

        return guarded


async def _serve_stream(behaviour: Any, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
    # Written here and not yielded: a cancelled call then unwinds the generator in this task, at once.
    responses = behaviour(request, context)
    if inspect.isasyncgen(responses):
        async with aclosing(responses):
            async for response in responses:
                await context.write(response)
    else:
        await responses


async def _checked(check: RequestCheck, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        check(request)
        yield request


def _unchecked(_request: Any) -> None:
    """No rules."""


async def _abort(context: grpc.aio.ServicerContext[Any, Any], error: AmasError) -> NoReturn:
    status = to_rpc_status(error)
    trailers = (*(context.trailing_metadata() or ()), (STATUS_METADATA_KEY, status.SerializeToString()))
    await context.abort(grpc_code(error.kind), status.message, trailing_metadata=trailers)
