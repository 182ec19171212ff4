"""How an interceptor wraps a handler of any of the four shapes, once, instead of one nested wrapper a concern.

Layers are context managers around a call, outermost first; a request check runs inside them. It must never let a
handler's exception reach grpc as anything but an AmasError's status.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, aclosing
from typing import Any, NoReturn, Protocol

import grpc

from .errors import AmasError
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

    def around(self, call: ServerCall) -> AbstractContextManager[None]:
        """Entered before the request is looked at, left when the answer is out; sees the handler's exception."""
        ...


class CallInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # generic in the stubs only
    """Puts layers and the request check around every handler of a server."""

    def __init__(self, layers: Sequence[Layer], check: RequestCheck) -> None:
        self._layers = tuple(layers)
        self._check = check
        # Methods of registered services only, so the cache is bounded by the contracts.
        self._wrapped: dict[str, tuple[Any, Any]] = {}

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
        behaviour = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
        serve = self._serve_stream if handler.response_streaming else self._serve_unary

        async def guarded(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            return await self._guard(serve, behaviour, handler.request_streaming, request, ServerCall(method, context))

        return make(guarded, handler.request_deserializer, handler.response_serializer)

    async def _guard(
        self, serve: Callable[..., Awaitable[Any]], behaviour: Any, streaming: bool, request: Any, call: ServerCall
    ) -> Any:
        try:
            with ExitStack() as stack:
                for layer in self._layers:
                    stack.enter_context(layer.around(call))
                if streaming:
                    request = self._checked(request)
                else:
                    self._check(request)
                return await serve(behaviour, request, call.context)
        except AmasError as error:
            refusal = error
        return await _abort(call.context, refusal)

    async def _serve_unary(self, behaviour: Any, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        return await behaviour(request, context)

    async def _serve_stream(self, behaviour: Any, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        # Written here and not yielded: a cancelled call then unwinds the generator in this task, at once.
        responses = behaviour(request, context)
        if inspect.isasyncgen(responses):
            async with aclosing(responses):
                async for response in responses:
                    await context.write(response)
        else:
            await responses

    async def _checked(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for request in requests:
            self._check(request)
            yield request


async def _abort(context: grpc.aio.ServicerContext[Any, Any], error: AmasError) -> NoReturn:
    status = to_rpc_status(error)
    trailers = (*(context.trailing_metadata() or ()), (STATUS_METADATA_KEY, status.SerializeToString()))
    await context.abort(grpc_code(error.kind), status.message, trailing_metadata=trailers)
