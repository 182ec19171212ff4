"""Where no connection may go, whatever its name says."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from amas_chassis.egress import METADATA, AddressRefusedError, CheckedResolver, check_address, check_literal

INSIDE = (
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "0.0.0.0",  # noqa: S104 - an address that must be refused
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "::127.0.0.1",
    "64:ff9b:1::7f00:1",
    "fec0::1",
    "168.63.129.16",
    "192.0.0.192",
)


class Names(AbstractResolver):
    """Answers what it is told."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in self.addresses
        ]

    async def close(self) -> None:
        return


@pytest.mark.parametrize("address", INSIDE)
async def test_what_is_inside_is_refused_as_a_name_and_as_an_address(address: str) -> None:
    """Private, link-local, loopback, metadata, multicast, and IPv4 that hides in IPv6."""
    with pytest.raises(AddressRefusedError):
        check_address(ip_address(address), ())
    with pytest.raises(AddressRefusedError):
        check_literal(f"[{address}]" if ":" in address else address, ())
    with pytest.raises(AddressRefusedError):
        await CheckedResolver(Names("93.184.216.34", address), ()).resolve("rebound.example.com")


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"])
async def test_what_is_public_is_let_through(address: str) -> None:
    """An ordinary host."""
    assert (await CheckedResolver(Names(address), ()).resolve("host.example.com"))[0]["host"] == address


def test_a_network_may_be_named() -> None:
    """That network and no other."""
    named = [ip_network("10.1.0.0/16")]
    check_address(ip_address("10.1.2.3"), named)
    check_address(ip_address("::ffff:10.1.2.3"), named)
    with pytest.raises(AddressRefusedError):
        check_address(ip_address("10.2.0.1"), named)


@pytest.mark.parametrize("address", sorted(METADATA, key=str))
def test_a_network_opens_no_metadata_address_that_it_does_not_mean(address: IPv4Address | IPv6Address) -> None:
    """A machine's own credentials are never a by-catch of a wide network."""
    wide = ip_network(f"{address}/{address.max_prefixlen - 16}", strict=False)
    with pytest.raises(AddressRefusedError):
        check_address(address, [wide])
    check_address(address, [wide, ip_network(str(address))])
