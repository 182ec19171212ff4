"""Who may call what: mutual TLS, SPIFFE ids, the caller list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest
from amas_chassis.errors import AmasError, ErrorKind
from amas_chassis.identity import peer_service, service_of
from amas_chassis.rpc_errors import from_rpc_error

from .authority import Authority
from .conftest import SECONDS, Loopback
from .echo import EchoRequest, EchoResponse, EchoServicer, EchoStub, echo_service


async def refusal(call: Any) -> AmasError:
    """What a call that must fail is answered."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return from_rpc_error(caught.value)


async def test_the_handler_knows_the_caller_from_its_certificate(loopback: Loopback) -> None:
    """A handler learns who calls from the certificate, whatever the metadata says."""

    async def who(_request: Any, context: Any) -> Any:
        return EchoResponse(text=peer_service(context))

    client = loopback.client(await loopback.serve(echo_service(EchoServicer(echo=who))))
    answer = await client.stub.Echo(EchoRequest(text="x"), metadata=(("x-caller", "admin"),))
    assert answer.text == "friend"


async def test_a_caller_that_is_not_listed_is_refused(loopback: Loopback) -> None:
    """A valid certificate of the wrong service gets PERMISSION_DENIED with a reason code."""
    client = loopback.client(await loopback.serve(echo_service()), "stranger")
    error = await refusal(client.stub.Echo(EchoRequest(text="x")))
    assert (error.kind, error.reason) == (ErrorKind.PERMISSION_DENIED, "CALLER_NOT_ALLOWED")


async def test_the_list_is_kept_for_each_method(loopback: Loopback) -> None:
    """Being allowed one method does not allow another of the same service."""
    client = loopback.client(await loopback.serve(echo_service()), "server")
    assert (await client.stub.Echo(EchoRequest(text="x"))).text == "x"
    error = await refusal(client.stub.Repeat(EchoRequest(text="x", count=1)).read())
    assert error.kind is ErrorKind.PERMISSION_DENIED


async def test_a_caller_is_refused_before_its_request_is_looked_at(loopback: Loopback) -> None:
    """An unlisted caller learns nothing about the rules of a request."""
    client = loopback.client(await loopback.serve(echo_service()), "stranger")
    assert (await refusal(client.stub.Echo(EchoRequest()))).reason == "CALLER_NOT_ALLOWED"


async def test_no_client_certificate_no_connection(loopback: Loopback) -> None:
    """Without a client certificate the handshake fails."""
    server = await loopback.serve(echo_service())
    credentials = grpc.ssl_channel_credentials(loopback.authority.ca.read_bytes())
    options = [("grpc.ssl_target_name_override", "server.amas.internal")]
    async with grpc.aio.secure_channel(server.address, credentials, options=options) as channel:
        error = await refusal(EchoStub(channel).Echo(EchoRequest(text="x"), timeout=SECONDS))
    assert error.kind is ErrorKind.UNAVAILABLE


async def test_another_authority_is_refused(loopback: Loopback, tmp_path: Path) -> None:
    """A certificate with the right names from another authority is worth nothing."""
    server = await loopback.serve(echo_service())
    (tmp_path / "other").mkdir()
    impostor = Authority(tmp_path / "other").issue("friend")
    forged = type(impostor)(impostor.cert, impostor.key, loopback.authority.ca)
    error = await refusal(loopback.client(server, tls=forged).stub.Echo(EchoRequest(text="x"), timeout=SECONDS))
    assert error.kind is ErrorKind.UNAVAILABLE


async def test_a_server_of_another_name_is_refused(loopback: Loopback) -> None:
    """A client that means one service does not talk to another one's certificate."""
    server = await loopback.serve(echo_service())
    client = loopback.channels().client(EchoStub, server.address, "elsewhere")
    error = await refusal(client.stub.Echo(EchoRequest(text="x"), timeout=SECONDS))
    assert error.kind is ErrorKind.UNAVAILABLE


async def test_another_trust_domain_is_refused(loopback: Loopback) -> None:
    """The same service name in another trust domain is another service."""
    server = await loopback.serve(echo_service())
    tls = loopback.authority.issue("friend", uri="spiffe://elsewhere.test/ns/test/sa/friend")
    error = await refusal(loopback.client(server, tls=tls).stub.Echo(EchoRequest(text="x")))
    assert (error.kind, error.reason) == (ErrorKind.UNAUTHENTICATED, "PEER_IDENTITY_INVALID")


@pytest.mark.parametrize(
    "uris",
    [
        [],
        [b"spiffe://amas.internal/ns/a/sa/b", b"spiffe://amas.internal/ns/a/sa/c"],
        [b"https://amas.internal/ns/a/sa/b"],
        [b"spiffe://amas.internal/ns/a/sa/b/more"],
        [b"spiffe://amas.internal/ns/a/sa/"],
        [b"spiffe://amas.internal/ns/a/sa/b\n"],
        [b"spiffe://amas.internal.evil/ns/a/sa/b"],
    ],
)
def test_an_id_of_another_form_is_no_id(uris: list[bytes]) -> None:
    """Only exactly one SPIFFE id of a service in our trust domain names a caller."""
    with pytest.raises(AmasError) as caught:
        service_of({"peer_uri": uris}, trust_domain="amas.internal")
    assert caught.value.kind is ErrorKind.UNAUTHENTICATED
