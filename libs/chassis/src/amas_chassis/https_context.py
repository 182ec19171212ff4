"""The TLS side of an HTTP server whose certificate changes while it runs, and who its clients prove to be.

A client may come without a certificate; one that it shows is verified against our authority. It must never let the
absence of a certificate stand for a name.
"""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path
from typing import Any

from .identity import service_named
from .tls import FileWatch, TlsFiles, TlsMaterial

__all__ = ["optional_client_context", "presented_service"]


def optional_client_context(files: TlsFiles) -> ssl.SSLContext:
    """A server's context that reads the files again at each handshake after they changed. Call it once a server."""
    watch = FileWatch(files)
    current = _context(watch.material)

    def at_handshake(connection: ssl.SSLObject, _name: str | None, _context_at_start: ssl.SSLContext) -> None:
        nonlocal current
        if (material := watch.changed()) is not None:
            current = _context(material)
        connection.context = current

    # Called for every handshake, also of a client that names no host.
    entry = _context(watch.material)
    entry.sni_callback = at_handshake
    return entry


def presented_service(connection: Any, *, trust_domain: str) -> str | None:
    """The service in the client's verified certificate; None if it showed none. AmasError for one that names none.

    `connection` is what a transport calls "ssl_object".
    """
    certificate = connection.getpeercert() if connection is not None else None
    if not certificate:
        return None
    names = [value.encode() for kind, value in certificate.get("subjectAltName", ()) if kind == "URI"]
    return service_named(names, trust_domain=trust_domain)


def _context(material: TlsMaterial) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=material.ca.decode())
    context.set_alpn_protocols(["http/1.1"])
    # Each connection shows its certificate itself: a resumed session would bring one that was seen before.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    # The standard library takes a key from a file alone; this one was read together with its certificate, once.
    with tempfile.TemporaryDirectory() as folder:
        pair = Path(folder, "pair.pem")
        pair.touch(mode=0o600)
        pair.write_bytes(material.cert + b"\n" + material.key)
        context.load_cert_chain(pair)
    return context
