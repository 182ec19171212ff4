"""What an append costs in CPU over both of its ends: as a plain unary call, and as frames on one long-lived stream.

One process has both ends, mutual TLS and all layers between them, and the log on its Postgres behind; what Postgres
itself takes is not counted. Single events: batches of a service only make the hop cheaper.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import psutil
from amas.audit.v1 import audit_pb2, audit_pb2_grpc
from amas_audit.entrypoints.wire import appended_to_wire, event_from_wire
from amas_audit.telemetry import AuditTelemetry
from amas_audit.usecases.append_events import AppendEvents
from amas_chassis import telemetry
from amas_chassis.channels import Client, ClientChannels
from amas_chassis.clock import SystemClock
from amas_chassis.grpc_server import GrpcServer, GrpcService
from amas_chassis.identity import peer_service
from amas_chassis.interceptors import internal_interceptor
from amas_chassis.tls import TlsFiles, server_credentials
from amas_cli.local.authority import ensure_authority, issue_certificate
from prometheus_client import CollectorRegistry

from services.audit.tests.logs import RETENTION

from ..report import Row, half_range, percentile
from .stage import Stage, events

SERVICE = "amas.audit.v1.AuditService"
CALLER = "policy-sidecar"
CALLERS = (64, 4)
CALLS, ROUNDS, WARM_UP = 3_000, 5, 300
QUICK_CALLS, QUICK_ROUNDS = 600, 2
PLAIN, FRAMES = "plain unary calls", "frames on one stream"


class _Appending(audit_pb2_grpc.AuditServiceServicer):
    """As AuditApi appends."""

    def __init__(self, append: AppendEvents) -> None:
        self._append = append

    async def Append(self, request: audit_pb2.AppendRequest, context: Any) -> audit_pb2.AppendResponse:  # noqa: N802
        made = tuple(event_from_wire(position, event) for position, event in enumerate(request.events))
        places = await self._append(made, source=peer_service(context), fencing_token=request.fencing_token)
        return audit_pb2.AppendResponse(events=[appended_to_wire(place) for place in places])


async def measure(stage: Stage, *, quick: bool) -> list[Row]:
    """Rows of both ways, by callers at once; the ratio is frames to plain calls within a round."""
    calls, rounds = (QUICK_CALLS, QUICK_ROUNDS) if quick else (CALLS, ROUNDS)
    rows = []
    async with _hop(stage) as clients:
        for callers in CALLERS:
            costs: dict[str, list[float]] = {way: [] for way in clients}
            for number in range(-1, rounds):
                for way, client in clients.items():
                    spent = await _cost(client, f"{way}-{callers}-{number}", callers, WARM_UP if number < 0 else calls)
                    if number >= 0:
                        costs[way].append(spent)
            ratio = percentile([mine / plain for mine, plain in zip(costs[FRAMES], costs[PLAIN], strict=True)], 0.5)
            for way, values in costs.items():
                name = f"CPU an append over gRPC, {way}, {callers} callers"
                beside = {"peer": PLAIN, "ratio": ratio} if way == FRAMES else {}
                rows.append(Row(name, percentile(values, 0.5), "ms", spread=half_range(values), **cast("Any", beside)))
    return rows


@asynccontextmanager
async def _hop(stage: Stage) -> AsyncIterator[dict[str, Client[Any]]]:
    telemetry.configure("audit", None)
    append = AppendEvents(stage.wired.log, AuditTelemetry(CollectorRegistry()), SystemClock(), RETENTION)
    service = GrpcService(SERVICE, audit_pb2_grpc.add_AuditServiceServicer_to_server, _Appending(append))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ensure_authority(folder)
        allowed = {f"/{SERVICE}/Append": frozenset({CALLER})}
        layers = [internal_interceptor("amas.internal", allowed)]
        server = GrpcServer("127.0.0.1:0", [service], layers, server_credentials(_files(folder, "audit")))
        await server.start()
        channels = ClientChannels(_files(folder, CALLER), CALLER)
        stub: Any = audit_pb2_grpc.AuditServiceStub
        try:
            yield {
                PLAIN: channels.client(stub, server.address, "audit"),
                FRAMES: channels.mux_client(stub, server.address, "audit"),
            }
        finally:
            await channels.close()
            await server.drain(1)


async def _cost(client: Client[Any], name: str, callers: int, calls: int) -> float:
    """Milliseconds of CPU an append, of all that this process does for it."""
    requests = [audit_pb2.AppendRequest(events=[_message(one)]) for one in events(name.replace(" ", "-"), calls)]
    waiting = iter(requests)
    process = psutil.Process()

    async def call() -> None:
        for request in waiting:
            await client.stub.Append(request, timeout=30)

    before = sum(process.cpu_times()[:2])
    await asyncio.gather(*itertools.starmap(call, [()] * callers))
    return (sum(process.cpu_times()[:2]) - before) / calls * 1_000


def _message(one: Any) -> audit_pb2.AuditEvent:
    message = audit_pb2.AuditEvent(
        id=one.id, type=one.type, tenant=one.tenant, run_id=one.run_id, step=one.step, data_json=one.data.decode()
    )
    message.time.FromJsonString(one.time)
    return message


def _files(folder: Path, service: str) -> TlsFiles:
    files = issue_certificate(folder, service)
    return TlsFiles(cert=files.cert, key=files.key, ca=files.ca)
