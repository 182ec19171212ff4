"""`python -m tests.load.policy.echo FOLDER`: an empty service with the layers of ours, on a socket; answers at once."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import uvloop
from amas.policy.v1 import policy_pb2, policy_pb2_grpc
from amas_chassis import telemetry
from amas_chassis.grpc_server import GrpcServer, GrpcService
from amas_chassis.interceptors import internal_interceptor
from amas_chassis.tls import server_credentials

from .stage import tls_files

SERVICE = "amas.policy.v1.PolicyService"


class Echo(policy_pb2_grpc.PolicyServiceServicer):
    """Takes the request that a decision takes, and says nothing."""

    async def Decide(  # noqa: N802 - named by the contract
        self, request: policy_pb2.DecideRequest, context: Any
    ) -> policy_pb2.DecideResponse:
        return policy_pb2.DecideResponse()


async def main(folder: Path) -> None:
    """Serves until SIGTERM."""
    telemetry.configure("policy-sidecar", None)
    server = GrpcServer(
        f"unix:{folder}/echo.sock",
        [GrpcService(SERVICE, policy_pb2_grpc.add_PolicyServiceServicer_to_server, Echo())],
        [internal_interceptor("amas.internal", {f"/{SERVICE}/Decide": frozenset({"orchestrator"})})],
        server_credentials(tls_files(folder, "policy-sidecar")),
    )
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await server.start()
    await stopped.wait()
    await server.drain(1)


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1])))
