"""Certificates in a Secret that a kubelet replaces under running processes, with calls of both kinds going on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from amas_chassis.clock import ManualClock
from amas_chassis.grpc_server import GrpcServer
from amas_chassis.interceptors import internal_interceptor
from amas_chassis.tls import FileWatch, TlsFiles, server_credentials
from cryptography import x509

from .authority import Authority, serial
from .conftest import CALLERS, SECONDS, Loopback
from .echo import EchoRequest, EchoResponse, EchoServicer, EchoStub, echo_service
from .test_rotation import presented_by

ROTATIONS = 3
Mount = Callable[[dict[str, bytes]], Any]


def content(authority: Authority, service: str) -> dict[str, bytes]:
    """A new pair of a service, as its Secret holds it."""
    files = authority.issue(service)
    return {"tls.crt": files.cert.read_bytes(), "tls.key": files.key.read_bytes(), "ca.crt": files.ca.read_bytes()}


def files_of(mounted: Any) -> TlsFiles:
    return TlsFiles(mounted.folder / "tls.crt", mounted.folder / "tls.key", mounted.folder / "ca.crt")


def test_a_replaced_volume_is_noticed_once(authority: Authority, mounted_secret: Mount) -> None:
    """The files' own links stay as they are: what they lead to counts."""
    mounted = mounted_secret(content(authority, "server"))
    watch = FileWatch(files_of(mounted))
    assert watch.changed() is None
    fresh = content(authority, "server")
    mounted.update(fresh)
    taken = watch.changed()
    assert taken is not None
    assert (taken.cert, taken.key, taken.ca) == (fresh["tls.crt"], fresh["tls.key"], fresh["ca.crt"])
    assert watch.changed() is None


@pytest.mark.parametrize("multiplexed", [False, True])
async def test_volumes_of_both_ends_are_replaced_without_a_failed_call(
    loopback: Loopback, authority: Authority, mounted_secret: Mount, multiplexed: bool
) -> None:
    """As after `--rotate certificates`: no call fails, and soon both ends show what the Secrets hold now."""
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    seen: set[int] = set()

    async def remember(_request: Any, context: Any) -> Any:
        (pem,) = context.auth_context()["x509_pem_cert"]
        seen.add(x509.load_pem_x509_certificate(pem).serial_number)
        return EchoResponse()

    theirs, ours = (mounted_secret(content(authority, name)) for name in ("server", "friend"))
    guard = internal_interceptor("amas.internal", CALLERS)
    service = echo_service(EchoServicer(echo=remember))
    server = GrpcServer("127.0.0.1:0", [service], [guard], server_credentials(files_of(theirs)))
    await server.start()
    channels = loopback.channels(tls=files_of(ours), clock=clock)
    make = channels.mux_client if multiplexed else channels.client
    client = make(EchoStub, server.address, "server", default_timeout=SECONDS)
    done, answered = asyncio.Event(), 0

    async def keep_calling() -> None:
        nonlocal answered
        while not done.is_set():
            await client.stub.Echo(EchoRequest(text="x"))
            answered += 1

    callers = [asyncio.create_task(keep_calling()) for _ in range(4)]
    try:
        for _ in range(ROTATIONS):
            theirs.update(content(authority, "server"))
            ours.update(content(authority, "friend"))
            clock.advance(2)
            goal = answered + 20
            async with asyncio.timeout(SECONDS):
                while serial(files_of(ours)) not in seen or answered < goal:  # noqa: ASYNC110 - it has no event
                    await asyncio.sleep(0)
            assert await presented_by(server.address, files_of(ours)) == serial(files_of(theirs))
    finally:
        done.set()
        await asyncio.gather(*callers)
        await channels.close()
        await server.drain(0)
    assert answered > 20 * ROTATIONS


async def test_a_new_authority_beside_the_old_one_is_trusted_before_it_signs(
    loopback: Loopback, authority: Authority, mounted_secret: Mount, tmp_path: Any
) -> None:
    """Overlap: first both authorities are trusted, then certificates are of the new one, then the old one goes."""
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    (tmp_path / "next").mkdir()
    following = Authority(tmp_path / "next", "following")
    both = authority.ca.read_bytes() + following.ca.read_bytes()
    theirs, ours = (mounted_secret(content(authority, name)) for name in ("server", "friend"))
    guard = internal_interceptor("amas.internal", CALLERS)
    server = GrpcServer("127.0.0.1:0", [echo_service(EchoServicer())], [guard], server_credentials(files_of(theirs)))
    await server.start()
    channels = loopback.channels(tls=files_of(ours), clock=clock)
    client = channels.client(EchoStub, server.address, "server")
    steps = [
        lambda name: content(authority, name),
        lambda name: content(authority, name) | {"ca.crt": both},
        lambda name: content(following, name) | {"ca.crt": both},
        lambda name: content(following, name),
    ]
    try:
        for step in steps:
            # One end first, then the other: between the two they must trust each other as well.
            for mounted, name in ((theirs, "server"), (ours, "friend")):
                mounted.update(step(name))
                clock.advance(2)
                fresh = loopback.channels(tls=files_of(ours), clock=clock).client(EchoStub, server.address, "server")
                for each in (client, fresh):
                    assert (await each.stub.Echo(EchoRequest(text="x"))).text == "x"
    finally:
        await channels.close()
        await server.drain(0)
