"""Runs the issuer on loopback until it is told to stop."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
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


def run(listen: str, state: Path, issuer: str, audience: str) -> None:
    """Serves until SIGTERM or SIGINT. Raises IssuerError."""
    host, port = _loopback(listen)
    issuer = issuer or f"http://{listen}"
    asyncio.run(_serve(endpoints(state, issuer.rstrip("/"), audience), host, port))


async def _serve(served: Endpoints, host: str, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(
        served.application(), access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_SECONDS
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, reuse_port=False).start()
    except OSError as error:
        await runner.cleanup()
        raise IssuerError(f"{host}:{port} cannot be listened on: {error.strerror}", EXIT_LISTEN) from error
    await stop.wait()
    await runner.cleanup()


def _loopback(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is None or not address.is_loopback or not port.isdigit() or int(port) > 65535:
        raise IssuerError(f"{listen} is refused: a development issuer listens on 127.0.0.1:PORT alone", EXIT_USAGE)
    return host, int(port)
