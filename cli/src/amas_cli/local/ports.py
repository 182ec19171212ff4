"""Which TCP ports the local platform listens on: five public ones that stay put, and free ones for the inside."""

import socket
from collections.abc import Iterable, Mapping

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode

LOOPBACK = "127.0.0.1"
DEFAULT_PORT_BASE = 7080
PUBLIC = ("http", "grpc", "issuer", "scripted-model", "audit-log")
"""In this order from the base on: 7080 HTTP, 7081 gRPC, 7082 issuer, 7083 scripted model, 7084 audit log (HTTPS)."""
INTERNAL = (
    "postgres",
    "valkey",
    "audit-grpc",
    "audit-http",
    "orchestrator-grpc",
    "orchestrator-http",
    "ai-router-grpc",
    "ai-router-http",
    "gateway-grpc",
    "gateway-http",
    "policy-sidecar-http",
)
MAX_PORT = 65535


def public_ports(base: int) -> dict[str, int]:
    """The public ports from `base` on; base 0 asks for any free ones."""
    if base == 0:
        return dict(zip(PUBLIC, _free(len(PUBLIC), avoid=()), strict=True))
    if not 1024 <= base <= MAX_PORT - len(PUBLIC) + 1:
        raise CliError(
            f"--port-base must be 0 or from 1024 to {MAX_PORT - len(PUBLIC) + 1}, not {base}.",
            exit_code=ExitCode.USAGE,
        )
    return {name: base + offset for offset, name in enumerate(PUBLIC)}


def internal_ports(kept: Mapping[str, int], avoid: Iterable[int]) -> dict[str, int]:
    """The internal ports of last time where they are still free, else new ones."""
    taken = set(avoid)
    ports = {}
    for name in INTERNAL:
        port = kept.get(name, 0)
        if port and port not in taken and is_free(port):
            ports[name] = port
            taken.add(port)
    missing = [name for name in INTERNAL if name not in ports]
    ports.update(zip(missing, _free(len(missing), avoid=taken), strict=True))
    return ports


def require_free(ports: Mapping[str, int]) -> None:
    """Raise CliError naming the first port that somebody else listens on."""
    for name, port in ports.items():
        if not is_free(port):
            raise CliError(
                f"Port {port} ({name}) on {LOOPBACK} is in use by another program.",
                next_step="stop that program, or choose other ports with `amas up --port-base N`",
                exit_code=ExitCode.CONFLICT,
            )


def is_free(port: int) -> bool:
    """Whether a server could listen on it now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _free(count: int, avoid: Iterable[int]) -> list[int]:
    """Free ports, all held open until the last is chosen, so that they differ."""
    taken = set(avoid)
    sockets: list[socket.socket] = []
    ports: list[int] = []
    try:
        while len(ports) < count:
            probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            sockets.append(probe)
            probe.bind((LOOPBACK, 0))
            port = int(probe.getsockname()[1])
            if port not in taken:
                ports.append(port)
    finally:
        for probe in sockets:
            probe.close()
    return ports
