"""Runs in a pod: listens on every port of the matrix, or connects to others and tells what became of it.

    python probe.py serve NAME TCP-PORTS UDP-PORTS      ports with commas between them; answers NAME to everybody
    python probe.py ask SECONDS < QUESTIONS             a JSON list of {address, port, protocol, greets}

`ask` prints a JSON list: the NAME that answered ("" if none is awaited), or one of the words below. It needs nothing
but the standard library of Python 3.11.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from typing import Any, cast

REFUSED, UNREACHABLE, TIMED_OUT = "!refused", "!unreachable", "!timed out"
LONGEST_NAME = 64
# The network is a pod's own, and whoever reaches it is meant to.
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 -- see above
# A lost datagram is no answer; so is a dropped one, however often it is sent. In seconds.
ASK_AGAIN_S = 0.5


class _Answers(asyncio.DatagramProtocol):
    """Answers each datagram with the name."""

    def __init__(self, name: bytes) -> None:
        self._name = name
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Of this class in what it does; in Python 3.11 not by inheritance.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        assert self._transport is not None
        self._transport.sendto(self._name, addr)


class _Awaits(asyncio.DatagramProtocol):
    """The first answer to a datagram, or the error that came instead."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


async def serve(name: str, tcp: list[int], udp: list[int]) -> None:
    """Answers until the process is ended."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(name.encode())
        writer.close()

    servers = [await asyncio.start_server(greet, EVERY_ADDRESS, port) for port in tcp]
    loop = asyncio.get_running_loop()
    for port in udp:
        await loop.create_datagram_endpoint(lambda: _Answers(name.encode()), (EVERY_ADDRESS, port))
    print("serving", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


async def ask(questions: list[dict[str, Any]], seconds: float) -> list[str]:
    """What became of each connection, all tried at once."""
    return list(await asyncio.gather(*(_one(question, seconds) for question in questions)))


async def _one(question: dict[str, Any], seconds: float) -> str:
    how = _tcp if question["protocol"] == "TCP" else _udp
    try:
        async with asyncio.timeout(seconds):
            return (await how(question)).decode()
    except ConnectionRefusedError:
        return REFUSED
    except TimeoutError:
        return TIMED_OUT
    except OSError:
        return UNREACHABLE


async def _tcp(question: dict[str, Any]) -> bytes:
    reader, writer = await asyncio.open_connection(question["address"], question["port"])
    try:
        return await reader.read(LONGEST_NAME) if question["greets"] else b""
    finally:
        writer.close()


async def _udp(question: dict[str, Any]) -> bytes:
    loop = asyncio.get_running_loop()
    remote = (question["address"], question["port"])
    transport, awaits = await loop.create_datagram_endpoint(_Awaits, remote_addr=remote, family=socket.AF_INET)
    try:
        while True:
            transport.sendto(b"?")
            done, _ = await asyncio.wait([awaits.answer], timeout=ASK_AGAIN_S)
            if done:
                return awaits.answer.result()
    finally:
        transport.close()


def _ports(given: str) -> list[int]:
    return [int(one) for one in given.split(",") if one]


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve(sys.argv[2], _ports(sys.argv[3]), _ports(sys.argv[4])))
    else:
        print(json.dumps(asyncio.run(ask(json.load(sys.stdin), float(sys.argv[2])))))
