"""Runs the issuer until it is told to stop: on loopback, or on any address with TLS."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import ssl
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from amas_cli.local.issuer.endpoints import Endpoints
from amas_cli.local.issuer.principals import PRINCIPALS
from amas_cli.local.issuer.secret_files import ensure_folder, ensure_secret
from amas_cli.local.issuer.signing_keys import SigningKeys
from amas_cli.local.issuer.tokens import TokenMaker

EXIT_USAGE = 2
EXIT_LISTEN = 3
# Seconds that requests under way may take when the issuer ends.
SHUTDOWN_SECONDS = 2.0


class IssuerError(Exception):
    """The issuer cannot start; the text is one sentence."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of the server's certificate (with its chain) and key."""

    certificate: Path
    key: Path


def endpoints(state: Path, issuer: str, audience: str) -> Endpoints:
    """The endpoints over the state folder; keys and secrets that are absent are made."""
    ensure_folder(state)
    ensure_folder(state / "clients")
    return Endpoints(
        issuer=issuer,
        keys=SigningKeys(state / "keys"),
        tokens=TokenMaker(issuer, audience),
        client_secrets={name: ensure_secret(state / "clients" / name) for name in PRINCIPALS},
        admin_secret=ensure_secret(state / "admin"),
    )


def run(listen: str, state: Path, issuer: str, audience: str, tls: TlsFiles | None = None) -> None:
    """Serves until SIGTERM or SIGINT. Raises IssuerError."""
    host, port = _address(listen, loopback_alone=tls is None)
    context = _context(tls) if tls else None
    issuer = issuer or f"{'https' if tls else 'http'}://{listen}"
    asyncio.run(_serve(endpoints(state, issuer.rstrip("/"), audience), host, port, context))


def _context(tls: TlsFiles) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        problem = f"{tls.certificate} and {tls.key} are not a certificate and its key in PEM ({error})"
        raise IssuerError(problem, EXIT_USAGE) from error
    return context


async def _serve(served: Endpoints, host: str, port: int, context: ssl.SSLContext | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(
        served.application(), access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_SECONDS
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=context, reuse_port=False).start()
    except OSError as error:
        await runner.cleanup()
        raise IssuerError(f"{host}:{port} cannot be listened on: {error.strerror}", EXIT_LISTEN) from error
    await stop.wait()
    await runner.cleanup()


def _address(listen: str, *, loopback_alone: bool) -> tuple[str, int]:
    """Host and port. Tokens and secrets pass in the clear without TLS, so that only this machine may hear them."""
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is None or not port.isdigit() or int(port) > 65535:
        raise IssuerError(
            f"{listen} is refused: expected an address and a port, without TLS 127.0.0.1:PORT alone", EXIT_USAGE
        )
    if loopback_alone and not address.is_loopback:
        raise IssuerError(
            f"{listen} is refused: without --tls-certificate an issuer listens on 127.0.0.1:PORT alone", EXIT_USAGE
        )
    return host, int(port)
