"""An HTTPS server's certificate changes while it runs, and its clients are who their certificates say, or nobody."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from amas_chassis.errors import AmasError
from amas_chassis.https_context import optional_client_context, presented_service
from amas_chassis.tls import TlsFiles
from cryptography import x509

from .authority import Authority, serial

DOMAIN = "amas.internal"


@asynccontextmanager
async def serving(files: TlsFiles) -> AsyncIterator[int]:
    """A server that says who it takes its client for; its port."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            name = presented_service(writer.get_extra_info("ssl_object"), trust_domain=DOMAIN)
            writer.write(f"{name}\n".encode())
        except AmasError as error:
            writer.write(f"{error.reason}\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=optional_client_context(files))
    async with server:
        yield server.sockets[0].getsockname()[1]


async def ask(port: int, ca: Path, own: TlsFiles | None = None) -> tuple[str, int]:
    """What the server takes us for, and the serial number of the certificate that it presents."""
    context = ssl.create_default_context(cafile=str(ca))
    if own is not None:
        context.load_cert_chain(own.cert, own.key)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=f"audit.{DOMAIN}")
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    said = (await reader.readline()).decode().strip()
    writer.close()
    return said, x509.load_der_x509_certificate(der).serial_number


async def test_a_client_is_who_its_certificate_says_or_nobody(tmp_path: Path) -> None:
    """The absence of a certificate never stands for a name; a name of another trust domain is none."""
    authority = Authority(tmp_path)
    async with serving(authority.issue("audit")) as port:
        assert (await ask(port, authority.ca))[0] == "None"
        assert (await ask(port, authority.ca, authority.issue("auditor")))[0] == "auditor"
        foreign = authority.issue("stranger", uri="spiffe://elsewhere/ns/test/sa/auditor")
        said, _ = await ask(port, authority.ca, foreign)
        assert said not in ("None", "auditor")


async def test_a_certificate_of_another_authority_is_refused(tmp_path: Path) -> None:
    """At the handshake or right after it (TLS 1.3): nothing is ever answered."""
    authority = Authority(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    stranger = Authority(other, "other").issue("auditor")
    async with serving(authority.issue("audit")) as port:
        try:
            said, _ = await ask(port, authority.ca, stranger)
        except (ssl.SSLError, ConnectionError):
            said = ""
        assert said == ""


async def test_the_next_handshake_shows_the_new_certificate(tmp_path: Path) -> None:
    """Rotation needs no restart."""
    authority = Authority(tmp_path)
    files = authority.issue("audit")
    async with serving(files) as port:
        assert (await ask(port, authority.ca))[1] == serial(files)
        again = authority.issue("audit")
        assert (await ask(port, authority.ca))[1] == serial(again)
