"""Which addresses a connection may be made to: public ones, and those others that somebody named.

Addresses are checked as they are connected to, after the name was resolved, so that a name which changes between
look-up and call leads nowhere (DNS rebinding). What is public is IANA's special-purpose registries' to say (RFC 6890),
as the standard library has them; of IPv6 nothing outside global unicast (RFC 4291) counts.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp.abc import AbstractResolver, ResolveResult

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
_NAT64 = IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = IPv6Network("2000::/3")
METADATA: frozenset[Address] = frozenset(
    ip_address(address)
    for address in (
        "169.254.169.254",  # AWS, Google, Azure, Oracle, OpenStack and others
        "169.254.170.2",  # AWS ECS: credentials of a task
        "169.254.170.23",  # AWS EKS: credentials of a pod
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",  # Google, IPv6
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure's wire server, which is a public address
        "192.0.0.192",  # Oracle, older
    )
)
"""Where clouds hand out a machine's own credentials: allowed only by a network of that single address."""


class AddressRefusedError(OSError):
    """The address is not one that may be connected to."""


class CheckedResolver(AbstractResolver):
    """Resolves names, and answers only if every address is allowed."""

    def __init__(self, inner: AbstractResolver, networks: Sequence[str]) -> None:
        self._inner = inner
        self._networks = tuple(ip_network(network) for network in networks)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name; raises AddressRefusedError if one is not allowed, OSError if none is known."""
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
    metadata = real in METADATA
    for network in networks:
        if real.version == network.version and real in network and (not metadata or network.num_addresses == 1):
            return
    if metadata or not _public(real):
        raise AddressRefusedError("the address is not public")


def _public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _embedded(address: Address) -> Address:
    """The IPv4 address inside one of IPv6 that only carries it."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.teredo:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour or address
