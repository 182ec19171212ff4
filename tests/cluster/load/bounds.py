"""What a load may be and whom it may reach: small, counted, and only addresses of this machine or of its cluster."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, fields

MAX_PER_SECOND = 20.0
"""Of all kinds together: a proof needs enough traffic for an analysis, never a benchmark's."""
MAX_REQUESTS = 20_000
MAX_SECONDS = 1_800.0
MAX_IN_FLIGHT = 128


class LoadRefusedError(ValueError):
    """A load that is larger than a proof may make, or goes where it may not."""


@dataclass(frozen=True)
class Rates:
    """Requests a second of each kind, begun at even intervals whether earlier ones have ended or not."""

    runs: float = 0.5
    chats: float = 2.0
    streams: float = 0.5
    reads: float = 2.0
    """Lists of runs by REST."""

    def __post_init__(self) -> None:
        """Refuses what is beyond the bounds.

        Raises:
            LoadRefusedError: a rate is negative, or all together are too much.
        """
        each = [float(getattr(self, one.name)) for one in fields(self)]
        if min(each) < 0 or sum(each) > MAX_PER_SECOND:
            raise LoadRefusedError(f"rates must be 0 or more and together at most {MAX_PER_SECOND:.0f}/s, not {each}")


@dataclass(frozen=True)
class Target:
    """A gateway's public addresses, each `HOST:PORT`."""

    http: str
    grpc: str

    def __post_init__(self) -> None:
        """Refuses hosts elsewhere.

        Raises:
            LoadRefusedError: a host is no literal address of the loopback or of a private network (RFC 1918, RFC 4193).
        """
        for address in (self.http, self.grpc):
            host = address.rpartition(":")[0].strip("[]")
            try:
                found = ipaddress.ip_address(host)
            except ValueError as error:
                raise LoadRefusedError(f"{address}: give a literal address, names may lead anywhere") from error
            if not (found.is_loopback or (found.is_private and not found.is_link_local)):
                raise LoadRefusedError(f"{address} is neither loopback nor an address of a cluster on this machine")
