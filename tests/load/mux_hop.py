"""What one hop costs in CPU over both ends: the same call as a plain unary one and as frames on a multiplexed stream.

Two processes, mutual TLS, all layers of a server, 2 KB of body each way: `python -m tests.load.mux_hop`. With
`--profile FOLDER` both ends write cProfile statistics there, and the figures are worth nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import itertools
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import uvloop
from amas.common.v1 import identity_pb2, label_pb2
from amas.router.v1 import router_pb2, router_pb2_grpc
from amas_chassis import telemetry
from amas_chassis.channels import ClientChannels
from amas_chassis.grpc_server import GrpcServer, GrpcService
from amas_chassis.interceptors import internal_interceptor
from amas_chassis.tls import TlsFiles, server_credentials
from amas_cli.local.authority import ensure_authority, issue_certificate

from .machine import load_row
from .report import Row, half_range, publish, versions

SERVICE = "amas.router.v1.RouterService"
BODY = b'{"model":"default","messages":[{"role":"user","content":"' + b"x" * 1_940 + b'"}]}'
CALLERS = (50, 4)
ROUNDS = 3
CALLS = 2_500
WARM_UP = 300
# Seconds for one measurement.
TIMEOUT_S = 30.0
AIM_MS = 0.35


class Answering(router_pb2_grpc.RouterServiceServicer):
    """Answers at once, with as much as it was asked."""

    async def Complete(  # noqa: N802 - named by the contract
        self, request: router_pb2.CompleteRequest, context: Any
    ) -> router_pb2.CompleteResponse:
        return router_pb2.CompleteResponse(body=request.body)


def _files(folder: Path, service: str) -> TlsFiles:
    files = issue_certificate(folder, service)
    return TlsFiles(cert=files.cert, key=files.key, ca=files.ca)


@contextmanager
def _profiled(folder: str, name: str) -> Iterator[None]:
    if not folder:
        yield
        return
    profile = cProfile.Profile()
    profile.enable()
    try:
        yield
    finally:
        profile.disable()
        profile.dump_stats(Path(folder) / f"{name}.prof")


async def _serve(folder: Path) -> None:
    telemetry.configure("ai-router", None)
    callers = {f"/{SERVICE}/Complete": frozenset({"gateway"})}
    service = GrpcService(SERVICE, router_pb2_grpc.add_RouterServiceServicer_to_server, Answering())
    server = GrpcServer(
        "127.0.0.1:0",
        [service],
        [internal_interceptor("amas.internal", callers)],
        server_credentials(_files(folder, "ai-router")),
    )
    await server.start()
    print(server.address, flush=True)
    # The parent closes our input when it has measured.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.drain(1)


class Hop:
    """A client and the process that serves it."""

    def __init__(self, channels: ClientChannels, address: str, server: psutil.Process) -> None:
        self._server = server
        self._own = psutil.Process()
        self._clients = {
            "plain unary calls": channels.client(router_pb2_grpc.RouterServiceStub, address, "ai-router"),
            "frames on one stream": channels.mux_client(router_pb2_grpc.RouterServiceStub, address, "ai-router"),
        }
        self.ways = list(self._clients)
        self._request = router_pb2.CompleteRequest(route="default", body=BODY)
        self._request.context.bundle = f"sha256:{'0' * 64}"
        principal = identity_pb2.Principal(tenant="acme", subject="developer", issuer="https://issuer.example")
        self._request.context.principal.CopyFrom(principal)
        self._request.context.label.integrity = label_pb2.INTEGRITY_TRUSTED
        self._request.context.label.confidentiality = label_pb2.CONFIDENTIALITY_INTERNAL

    async def cost(self, way: str, callers: int, calls: int) -> float:
        """Milliseconds of CPU a call, over both processes."""
        client, numbers = self._clients[way], itertools.count()

        async def call() -> None:
            while next(numbers) < calls:
                await client.stub.Complete(self._request)

        before = self._spent()
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.gather(*(call() for _ in range(callers)))
        return (self._spent() - before) / calls * 1_000

    def _spent(self) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in (self._own, self._server))


async def _measure(profile: str) -> list[Row]:
    telemetry.configure("gateway", None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ensure_authority(folder)
        command = [sys.executable, "-m", "tests.load.mux_hop", "--serve", name, "--profile", profile]
        server = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=dict(os.environ)
        )
        assert server.stdin is not None
        assert server.stdout is not None
        address = (await server.stdout.readline()).decode().strip()
        channels = ClientChannels(_files(folder, "gateway"), "gateway")
        try:
            hop = Hop(channels, address, psutil.Process(server.pid))
            with _profiled(profile, "client"):
                return await _rows(hop, hop.ways[1:] if profile else hop.ways)
        finally:
            await channels.close()
            server.stdin.close()
            await server.wait()


async def _rows(hop: Hop, ways: list[str]) -> list[Row]:
    rows = []
    for callers in CALLERS:
        costs: dict[str, list[float]] = {way: [] for way in ways}
        for way in ways:
            await hop.cost(way, callers, WARM_UP)
        for _ in range(ROUNDS):
            for way in ways:
                costs[way].append(await hop.cost(way, callers, CALLS))
        for way, values in costs.items():
            aim = f"<= {AIM_MS}" if callers == CALLERS[0] and way == ways[-1] else None
            name = f"CPU a call, {way}, {callers} callers"
            rows.append(Row(name, median(values), "ms", spread=half_range(values), aim=aim))
    return rows


def main() -> None:
    """Serves, or measures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--serve", type=Path, default=None)
    arguments.add_argument("--profile", default="")
    given = arguments.parse_args()
    if given.serve is not None:
        with _profiled(given.profile, "server"):
            uvloop.run(_serve(given.serve))
        return
    before = load_row()
    rows = uvloop.run(_measure(given.profile))
    publish(
        "mux_hop",
        versions("grpcio", "protobuf", "msgspec", "uvloop", "opentelemetry-sdk"),
        [before, *rows],
        "python -m tests.load.mux_hop",
    )


if __name__ == "__main__":
    main()
