"""A small service with rules in its contract, made at run time, so that these tests need no generated code."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from amas_chassis.service import GrpcService
from buf.validate import validate_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

NAME = "chassis.test.v1.EchoService"
ECHO = f"/{NAME}/Echo"
REPEAT = f"/{NAME}/Repeat"

_Field = descriptor_pb2.FieldDescriptorProto


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="chassis_test_echo.proto", package="chassis.test.v1", syntax="proto3"
    )
    file.dependency.append("buf/validate/validate.proto")
    request = file.message_type.add(name="EchoRequest")
    text = request.field.add(name="text", number=1, type=_Field.TYPE_STRING, label=_Field.LABEL_OPTIONAL)
    rules = text.options.Extensions[validate_pb2.field].string
    rules.min_len, rules.max_len = 1, 20
    count = request.field.add(name="count", number=2, type=_Field.TYPE_INT32, label=_Field.LABEL_OPTIONAL)
    count.options.Extensions[validate_pb2.field].int32.gte = 0
    response = file.message_type.add(name="EchoResponse")
    response.field.add(name="text", number=1, type=_Field.TYPE_STRING, label=_Field.LABEL_OPTIONAL)
    service = file.service.add(name="EchoService")
    types = {"input_type": ".chassis.test.v1.EchoRequest", "output_type": ".chassis.test.v1.EchoResponse"}
    service.method.add(name="Echo", **types)
    service.method.add(name="Repeat", server_streaming=True, **types)
    return file


_pool = descriptor_pool.Default()
_pool.Add(_file())
EchoRequest: Any = message_factory.GetMessageClass(_pool.FindMessageTypeByName("chassis.test.v1.EchoRequest"))
EchoResponse: Any = message_factory.GetMessageClass(_pool.FindMessageTypeByName("chassis.test.v1.EchoResponse"))

Handler = Callable[[Any, Any], Awaitable[Any]]
StreamHandler = Callable[[Any, Any], AsyncIterator[Any]]


class EchoServicer:
    """Answers with the text of the request; a test may replace either method."""

    def __init__(self, echo: Handler | None = None, repeat: StreamHandler | None = None) -> None:
        self.Echo = echo or self._echo
        self.Repeat = repeat or self._repeat

    async def _echo(self, request: Any, context: Any) -> Any:
        return EchoResponse(text=request.text)

    async def _repeat(self, request: Any, context: Any) -> AsyncIterator[Any]:
        for _ in range(request.count):
            yield EchoResponse(text=request.text)


class EchoStub:
    """What the generator would write."""

    def __init__(self, channel: Any) -> None:
        forms = {
            "request_serializer": EchoRequest.SerializeToString,
            "response_deserializer": EchoResponse.FromString,
        }
        self.Echo = channel.unary_unary(ECHO, **forms)
        self.Repeat = channel.unary_stream(REPEAT, **forms)


def _add(servicer: Any, server: grpc.aio.Server) -> None:
    forms = {"request_deserializer": EchoRequest.FromString, "response_serializer": EchoResponse.SerializeToString}
    handlers = {
        "Echo": grpc.unary_unary_rpc_method_handler(servicer.Echo, **forms),
        "Repeat": grpc.unary_stream_rpc_method_handler(servicer.Repeat, **forms),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(NAME, handlers),))


def echo_service(servicer: EchoServicer | None = None) -> GrpcService:
    """The service as a process would list it."""
    return GrpcService(NAME, _add, servicer or EchoServicer())
