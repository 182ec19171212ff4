"""Health, reflection, the public server, sizes."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from amas_chassis.errors import AmasError, ErrorKind
from amas_chassis.grpc_server import GrpcServer, ListenError, public_server
from amas_chassis.server_calls import ServerCall
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from .conftest import SECONDS, Loopback
from .echo import NAME, EchoRequest, EchoResponse, EchoServicer, EchoStub, echo_service
from .test_access import refusal


async def listed(stub: Any) -> set[str]:
    """The services that reflection lists."""
    request = reflection_pb2.ServerReflectionRequest(list_services="*")
    call = stub.ServerReflectionInfo(iter([request]))
    answer = await call.read()
    return {service.name for service in answer.list_services_response.service}


async def test_health_and_reflection_are_open_to_every_peer(loopback: Loopback) -> None:
    """A peer that may call nothing can still ask whether the server is well and what it serves."""
    server = await loopback.serve(echo_service())
    channels = loopback.channels("stranger")
    health = channels.client(health_pb2_grpc.HealthStub, server.address, "server").stub
    for service in ("", NAME):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert (await refusal(health.Check(health_pb2.HealthCheckRequest(service="no.such")))).kind is ErrorKind.NOT_FOUND
    reflection = channels.client(reflection_pb2_grpc.ServerReflectionStub, server.address, "server").stub
    assert await listed(reflection) == {NAME, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}


async def test_health_says_so_before_the_port_closes(loopback: Loopback) -> None:
    """A watcher of health is told NOT_SERVING at the start of a drain."""
    server = await loopback.serve(echo_service())
    health = loopback.channels().client(health_pb2_grpc.HealthStub, server.address, "server").stub
    watch = health.Watch(health_pb2.HealthCheckRequest(service=NAME))
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    await server.not_serving()
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    watch.cancel()


class NeedsToken:
    """A layer such as a public server adds."""

    def enter(self, call: ServerCall) -> None:
        metadata = dict(call.context.invocation_metadata() or ())
        if "authorization" not in metadata and not call.method.startswith("/grpc."):
            raise AmasError(ErrorKind.UNAUTHENTICATED, "TOKEN_MISSING", "no token")

    def leave(self, call: ServerCall, entered: None, error: BaseException | None) -> BaseException | None:
        return error


@pytest.mark.parametrize("encrypted", [True, False])
async def test_a_public_server_needs_no_client_certificate(loopback: Loopback, encrypted: bool) -> None:
    """It serves outsiders with the same errors and validation, behind layers of its owner's."""
    files = loopback.authority.issue("server")
    server = public_server("127.0.0.1:0", [echo_service()], tls=files if encrypted else None, layers=[NeedsToken()])
    await server.start()
    credentials = grpc.ssl_channel_credentials(files.ca.read_bytes())
    options = [("grpc.ssl_target_name_override", "server.amas.internal")]
    channel = (
        grpc.aio.secure_channel(server.address, credentials, options=options)
        if encrypted
        else grpc.aio.insecure_channel(server.address)
    )
    async with channel:
        stub, token = EchoStub(channel), (("authorization", "Bearer x"),)
        assert (await stub.Echo(EchoRequest(text="hello"), metadata=token)).text == "hello"
        assert (await refusal(stub.Echo(EchoRequest(text="hello")))).reason == "TOKEN_MISSING"
        assert (await refusal(stub.Echo(EchoRequest(), metadata=token))).reason == "REQUEST_INVALID"
        assert NAME in await listed(reflection_pb2_grpc.ServerReflectionStub(channel))
        health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=NAME))
        assert health.status == health_pb2.HealthCheckResponse.SERVING
    await server.drain(1)


async def test_a_public_server_tells_the_truth_about_itself(loopback: Loopback) -> None:
    """Its health follows its checks."""

    async def broken() -> None:
        raise ConnectionError

    server = public_server("127.0.0.1:0", [echo_service()], tls=None, checks={"upstream": broken})
    await server.start()
    async with grpc.aio.insecure_channel(server.address) as channel:
        health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=NAME))
        assert health.status == health_pb2.HealthCheckResponse.NOT_SERVING
    await server.drain(1)


async def test_two_servers_never_share_a_port(loopback: Loopback) -> None:
    """The second one is told, and the first keeps its calls."""
    first = await loopback.serve(echo_service())
    with pytest.raises(ListenError, match="cannot be listened on"):
        await GrpcServer(first.address, [echo_service()], [], None).start()
    assert (await loopback.client(first).stub.Echo(EchoRequest(text="x"))).text == "x"


async def test_an_oversized_message_is_refused(loopback: Loopback) -> None:
    """A message beyond the limit is RESOURCE_EXHAUSTED and never reaches a handler."""
    client = loopback.client(await loopback.serve(echo_service()))
    error = await refusal(client.stub.Echo(EchoRequest(text="x" * (21 * 1024 * 1024))))
    assert error.kind is ErrorKind.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("kind", ["client", "mux_client"])
async def test_a_peer_connects_anew_now_and_then_and_no_call_fails(loopback: Loopback, kind: str) -> None:
    """Names are looked up only then: a replica that was added would idle for as long as the others live."""
    peers: set[str] = set()

    async def echo(request: Any, context: Any) -> Any:
        peers.add(context.peer())
        return EchoResponse(text=request.text)

    server = await loopback.serve(echo_service(EchoServicer(echo)), connection_age=0.2)
    client = getattr(loopback.channels(), kind)(EchoStub, server.address, "server")
    async with asyncio.timeout(SECONDS):
        while len(peers) < 3:
            answer = await client.stub.Echo(EchoRequest(text="hello"))
            assert answer.text == "hello"
