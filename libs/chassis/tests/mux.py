"""Multiplexed clients of the echo service, for the tests of multiplexed streams."""

from __future__ import annotations

from typing import Any

from amas_chassis.channels import Client
from amas_chassis.grpc_server import GrpcServer

from .conftest import SECONDS, Loopback
from .echo import EchoStub


def mux_client(loopback: Loopback, server: GrpcServer, caller: str = "friend", **options: Any) -> Client[EchoStub]:
    """A client whose calls are frames."""
    channels = loopback.channels(caller, **options)
    return channels.mux_client(EchoStub, server.address, "server", default_timeout=SECONDS)
