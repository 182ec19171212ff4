"""Which addresses a message may go to: public ones, and those private ones that the operator names.

Addresses are checked as they are connected to, after the name was resolved, so that a name which changes between
look-up and call leads nowhere (DNS rebinding).
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp.abc import AbstractResolver, ResolveResult

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
_NAT64 = IPv6Network("64:ff9b::/96")


class AddressRefusedError(OSError):
    """The receiver's address is not one that a message may go to."""


class CheckedResolver(AbstractResolver):
    """Resolves names, and answers only if every address is allowed."""

    def __init__(self, inner: AbstractResolver, networks: Sequence[str]) -> None:
        self._inner = inner
        self._networks = tuple(ip_network(network) for network in networks)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name; raises AddressRefusedError if one of them is not allowed."""
        found = await self._inner.resolve(host, port, family)
        for result in found:
            check_address(ip_address(result["host"].partition("%")[0]), self._networks)
        return found

    async def close(self) -> None:
        """Closes the inner resolver."""
        await self._inner.close()


def check_literal(host: str, networks: Sequence[str]) -> None:
    """The same for a host that is an address already, which no resolver sees."""
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return
    check_address(address, [ip_network(network) for network in networks])


def check_address(address: Address, networks: Sequence[Network]) -> None:
    """Raises AddressRefusedError unless the address is public, or in one of the networks."""
    real = _embedded(address)
    if any(real.version == network.version and real in network for network in networks):
        return
    if not real.is_global or real.is_multicast or real.is_reserved:
        raise AddressRefusedError("the receiver's address is not public")


def _embedded(address: Address) -> Address:
    """The IPv4 address inside one of IPv6 that only carries it."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.teredo:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour or address
