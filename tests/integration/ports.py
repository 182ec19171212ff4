"""Free TCP ports for servers that a test starts."""

from __future__ import annotations

import socket


def free_port() -> int:
    """Answers a TCP port that was free a moment ago."""
    return free_ports(1)[0]


def free_ports(number: int) -> list[int]:
    """So many ports, each held until all are found, so that none is found twice."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
