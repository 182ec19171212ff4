"""Free TCP ports for servers that a test starts."""

from __future__ import annotations

import socket

# Ports of this process: one that was given is not listened on yet, and would be found free again.
_given: set[int] = set()


def free_port() -> int:
    """Answers a TCP port that was free a moment ago, and that nobody in this process was given before."""
    return free_ports(1)[0]


def free_ports(number: int) -> list[int]:
    """So many of them, each found is held until all are."""
    probes: list[socket.socket] = []
    ports: list[int] = []
    try:
        while len(ports) < number:
            probes.append(socket.create_server(("127.0.0.1", 0)))
            port = probes[-1].getsockname()[1]
            if port not in _given:
                _given.add(port)
                ports.append(port)
    finally:
        for probe in probes:
            probe.close()
    return ports
