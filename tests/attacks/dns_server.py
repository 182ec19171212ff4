"""A name server of the test's own, and a resolver that asks it: what a name leads to changes when the test says so."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from aiohttp.abc import AbstractResolver, ResolveResult

# Seconds for which an answer may be kept: none, as rebinding has it.
TTL = 0


class Zone(asyncio.DatagramProtocol):
    """Answers each query with the addresses of now, whatever the name."""

    def __init__(self, *addresses: str) -> None:
        self.addresses: Sequence[str] = addresses
        self.asked = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # One of asyncio's own is not registered as such before Python 3.12.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA
        [question] = query.question
        version = {dns.rdatatype.A: 4, dns.rdatatype.AAAA: 6}.get(question.rdtype)
        mine = [address for address in self.addresses if ipaddress.ip_address(address).version == version]
        self.asked += bool(mine)
        if mine:
            answer.answer.append(
                dns.rrset.from_text(
                    question.name, TTL, dns.rdataclass.IN, dns.rdatatype.to_text(question.rdtype), *mine
                )
            )
        self._transport.sendto(answer.to_wire(), addr)


class AskingResolver(AbstractResolver):
    """Asks one name server, over the wire, each time."""

    def __init__(self, port: int) -> None:
        self._inner = dns.asyncresolver.Resolver(configure=False)
        self._inner.nameservers, self._inner.port = ["127.0.0.1"], port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve_name(host, family)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in found.addresses()
        ]

    async def close(self) -> None:
        return


@asynccontextmanager
async def serving(zone: Zone) -> AsyncIterator[AskingResolver]:
    """The zone behind a port of loopback."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: zone, local_addr=("127.0.0.1", 0))
    try:
        yield AskingResolver(transport.get_extra_info("sockname")[1])
    finally:
        transport.close()
