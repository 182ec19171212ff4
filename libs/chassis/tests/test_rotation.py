"""Certificates that change while calls go on."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from amas_chassis.clock import ManualClock
from amas_chassis.tls import FileWatch, TlsFiles
from cryptography import x509

from .authority import Authority, replace, serial
from .conftest import SECONDS, Loopback
from .echo import EchoRequest, EchoResponse, EchoServicer, echo_service

ROTATIONS = 3
CALLERS = 4


async def presented_by(address: str, files: TlsFiles) -> int:
    """The serial number of the certificate that a server presents to a new connection."""
    context = ssl.create_default_context(cafile=str(files.ca))
    context.load_cert_chain(files.cert, files.key)
    context.set_alpn_protocols(["h2"])
    host, port = address.rsplit(":", 1)
    _, writer = await asyncio.open_connection(host, int(port), ssl=context, server_hostname="server.amas.internal")
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(der).serial_number


async def test_both_ends_rotate_without_a_failed_call(loopback: Loopback) -> None:
    """While certificates of server and client are replaced, every call succeeds, and the new ones are used."""
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    seen: set[int] = set()

    async def remember(_request: Any, context: Any) -> Any:
        (pem,) = context.auth_context()["x509_pem_cert"]
        seen.add(x509.load_pem_x509_certificate(pem).serial_number)
        return EchoResponse()

    server = await loopback.serve(echo_service(EchoServicer(echo=remember)))
    client = loopback.client(server, clock=clock)
    answered = 0
    done = asyncio.Event()
    progress = asyncio.Condition()

    async def keep_calling() -> None:
        nonlocal answered
        while not done.is_set():
            await client.stub.Echo(EchoRequest(text="x"))
            answered += 1
            async with progress:
                progress.notify_all()

    async def until(certificate: int, goal: int) -> None:
        async with asyncio.timeout(SECONDS), progress:
            await progress.wait_for(lambda: certificate in seen and answered >= goal)

    callers = [asyncio.create_task(keep_calling()) for _ in range(CALLERS)]
    for _ in range(ROTATIONS):
        ours, theirs = loopback.authority.issue("friend"), loopback.authority.issue("server")
        clock.advance(2)
        await until(serial(ours), answered + 20)
        assert await presented_by(server.address, ours) == serial(theirs)
    done.set()
    await asyncio.gather(*callers)
    assert answered > 20 * ROTATIONS


async def test_a_stream_under_way_outlives_the_rotation(loopback: Loopback) -> None:
    """A replaced channel is closed only after the calls that it carries have ended."""
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    go_on = asyncio.Event()

    async def two_parts(_request: Any, _context: Any) -> Any:
        yield EchoResponse(text="before")
        await go_on.wait()
        yield EchoResponse(text="after")

    server = await loopback.serve(echo_service(EchoServicer(repeat=two_parts)))
    client = loopback.client(server, clock=clock)
    call = client.stub.Repeat(EchoRequest(text="x"))
    assert (await call.read()).text == "before"
    old = client.stub
    loopback.authority.issue("friend")
    clock.advance(2)
    assert client.stub is not old
    assert (await client.stub.Echo(EchoRequest(text="new"))).text == "new"
    go_on.set()
    assert (await call.read()).text == "after"
    assert await call.code() is grpc.StatusCode.OK


async def test_a_renewed_channel_carries_what_comes_next_and_the_old_one_what_it_had(loopback: Loopback) -> None:
    """A new channel connects anew, whatever the old one waits for; a stream under way ends on the old one."""
    go_on = asyncio.Event()
    peers: list[str] = []

    async def remember(_request: Any, context: Any) -> Any:
        peers.append(context.peer())
        return EchoResponse()

    async def two_parts(_request: Any, _context: Any) -> Any:
        yield EchoResponse(text="before")
        await go_on.wait()
        yield EchoResponse(text="after")

    server = await loopback.serve(echo_service(EchoServicer(echo=remember, repeat=two_parts)))
    client = loopback.client(server)
    await client.stub.Echo(EchoRequest(text="x"))
    call = client.stub.Repeat(EchoRequest(text="x"))
    assert (await call.read()).text == "before"
    for _ in range(2):
        client.renew()
        await client.stub.Echo(EchoRequest(text="x"))
        await client.stub.Echo(EchoRequest(text="x"))
    assert len(set(peers)) == 3
    go_on.set()
    assert (await call.read()).text == "after"
    assert await call.code() is grpc.StatusCode.OK


def test_a_half_written_pair_is_not_taken(authority: Authority) -> None:
    """Between the writes of key and certificate the last good pair stays, and the next whole pair is taken."""
    files = authority.issue("server")
    watch = FileWatch(files)
    good = watch.material
    old_key = files.key.read_bytes()
    authority.issue("server")
    new_key = files.key.read_bytes()
    replace(files.key, old_key)
    assert watch.changed() is None
    assert watch.material == good
    replace(files.key, new_key)
    fresh = watch.changed()
    assert fresh is not None
    assert fresh.key == new_key
    assert watch.changed() is None


def test_a_missing_or_broken_file_keeps_the_last_good_ones(authority: Authority) -> None:
    """A deleted or garbled certificate file does not take a running process down."""
    files = authority.issue("server")
    watch = FileWatch(files)
    replace(files.cert, b"no certificate")
    assert watch.changed() is None
    files.cert.unlink()
    assert watch.changed() is None


def test_a_process_does_not_start_with_a_key_that_does_not_fit(authority: Authority) -> None:
    """A wrong pair is an error at the start, with the files named."""
    files = authority.issue("server")
    other = authority.issue("other")
    with pytest.raises(ValueError, match=r"server\.crt"):
        FileWatch(TlsFiles(files.cert, other.key, files.ca))
