"""Probes of a process that waits at its start."""

from __future__ import annotations

import aiohttp
import pytest
from amas_chassis.grpc_server import ListenError
from amas_chassis.starting import waiting_for

from tests.integration.ports import free_port


async def test_who_waits_is_alive_and_says_for_what() -> None:
    """A pod whose database is away is not started again, and names what it lacks; then the port is free."""
    listen = f"127.0.0.1:{free_port()}"
    async with aiohttp.ClientSession(f"http://{listen}") as session:
        async with waiting_for("database", listen):
            async with session.get("/healthz") as answer:
                assert answer.status == 200
            async with session.get("/readyz") as answer:
                assert answer.status == 503
                assert await answer.json() == {"status": "not ready", "failing": {"database": "NotThereYet"}}
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get("/healthz")
        async with waiting_for("other", listen), session.get("/readyz") as answer:
            assert "other" in await answer.text()


async def test_an_address_in_use_is_told_before_anything_is_waited_for() -> None:
    """The mistake of an operator shows at once, not after the database came."""
    listen = f"127.0.0.1:{free_port()}"
    async with waiting_for("database", listen):
        with pytest.raises(ListenError):
            async with waiting_for("database", listen):
                pass
