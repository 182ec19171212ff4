"""The method that carries multiplexed streams, and the servicers that it reaches.

Calls go to the same servicers as plain ones, through the same layers, under the identity of the peer that carries them.
It must never serve a method in any other way than the plain server would.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

from amas_chassis.errors import AmasError, ErrorKind

from . import frames
from .frames import FrameError
from .server_stream import Method, ServerStream

__all__ = ["MuxServer"]

_chance = random.SystemRandom()


class MuxServer:
    """Serves `Carry`. `guard` puts the server's layers around a handler: (method, handler) -> served.

    A stream lives `age` seconds, less up to a tenth by chance, before its client is asked to open another: an expired
    certificate ends, new replicas get their share, and not all clients come anew at once.
    """

    def __init__(self, guard: Callable[[str, Any], Callable[[Any, Any], Any]], age: float) -> None:
        self._guard = guard
        self._age = age
        self._handlers: list[grpc.GenericRpcHandler[Any, Any]] = []
        # Only methods that are served, so the cache is bounded by the contracts.
        self._methods: dict[str, Method] = {}
        self._streams: set[ServerStream] = set()
        self._draining = False

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        """What a generated `add_XServicer_to_server` calls on a server."""
        self._handlers.extend(handlers)

    def add_registered_method_handlers(self, service: str, handlers: Any) -> None:
        """The same handlers once more, for servers that look them up by name."""

    def handler(self) -> grpc.GenericRpcHandler[Any, Any]:
        """What to add to the server that carries the streams; bytes in, bytes out."""
        carry = grpc.stream_stream_rpc_method_handler(self._carry)
        return grpc.method_handlers_generic_handler(frames.SERVICE, {"Carry": carry})

    def drain(self) -> None:
        """Ask every client to open its further calls elsewhere; streams end with their last call."""
        self._draining = True
        for stream in self._streams:
            stream.drain()

    async def _carry(self, messages: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]) -> None:
        stream = ServerStream(context, self._method)
        self._streams.add(stream)
        aged = asyncio.get_running_loop().call_later(self._age * _chance.uniform(0.9, 1.0), stream.drain)
        try:
            if self._draining:
                stream.drain()
            await stream.run(messages)
        except FrameError as error:
            raise AmasError(ErrorKind.INVALID_ARGUMENT, "FRAMES_INVALID", str(error)) from error
        finally:
            aged.cancel()
            self._streams.discard(stream)

    def _method(self, name: str) -> Method | None:
        known = self._methods.get(name)
        if known is None:
            handler = self._find(name)
            if handler is None or handler.request_streaming:
                return None
            known = self._methods[name] = _Served(handler, self._guard(name, handler))
        return known

    def _find(self, name: str) -> Any:
        details = _Details(name)
        for handlers in self._handlers:
            found = handlers.service(details)
            if found is not None:
                return found
        return None


class _Details(grpc.HandlerCallDetails):
    def __init__(self, method: str) -> None:
        self.method = method
        self.invocation_metadata = ()


class _Served:
    """See Method."""

    __slots__ = ("request_deserializer", "response_serializer", "response_streaming", "serve")

    def __init__(self, handler: Any, serve: Callable[[Any, Any], Any]) -> None:
        self.request_deserializer = handler.request_deserializer or bytes
        self.response_serializer = handler.response_serializer or bytes
        self.response_streaming = handler.response_streaming
        self.serve = serve
