"""A multiplexed client of a name with several peers: none of them goes without calls."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from amas_chassis.channels import Client

from .conftest import SECONDS, Loopback
from .echo import EchoRequest, EchoResponse, EchoServicer, EchoStub, echo_service

PEERS, CALLS = 3, 300


async def peers(loopback: Loopback, answered: Counter[int]) -> str:
    """Servers that count what they answer; the list of their addresses."""
    addresses = []
    for number in range(PEERS):

        async def count(_request: Any, _context: Any, number: int = number) -> Any:
            answered[number] += 1
            return EchoResponse()

        server = await loopback.serve(echo_service(EchoServicer(echo=count)))
        addresses.append(server.address)
    return "ipv4:" + ",".join(addresses)


async def settled(client: Client[EchoStub], answered: Counter[int]) -> None:
    """Calls until every peer has answered one: streams are opened with the calls that come."""
    async with asyncio.timeout(SECONDS):
        while len(answered) < PEERS:
            await client.stub.Echo(EchoRequest(text="x"))


@pytest.mark.parametrize("at_once", [1, 30])
async def test_calls_are_spread_over_all_peers(loopback: Loopback, at_once: int) -> None:
    """Few calls or many: a canary beside the stable pods, or a new replica, is asked its share."""
    answered: Counter[int] = Counter()
    target = await peers(loopback, answered)
    client = loopback.channels().mux_client(EchoStub, target, "server", default_timeout=SECONDS)
    await settled(client, answered)
    answered.clear()
    for _ in range(CALLS // at_once):
        await asyncio.gather(*(client.stub.Echo(EchoRequest(text="x")) for _ in range(at_once)))
    assert sum(answered.values()) == CALLS
    assert min(answered[number] for number in range(PEERS)) >= CALLS // PEERS // 2, answered


async def test_one_peer_gets_one_stream(loopback: Loopback) -> None:
    """An address that is one peer's is served by one stream: the more calls share one, the less each costs."""
    server = await loopback.serve(echo_service(EchoServicer()))
    channels = loopback.channels()
    client = channels.mux_client(EchoStub, server.address, "server", default_timeout=SECONDS)
    for _ in range(20):
        await client.stub.Echo(EchoRequest(text="x"))
    assert len(channels.connection(server.address, "server").mux()._streams) == 1
