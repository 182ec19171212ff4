"""The start of the real process while its database is not there yet."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from amas_cli.cache_folder import cache_folder

from tests.integration.ports import free_port

from .platform import START_SECONDS, Platform, Process, _http_get

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
COMPILED = str(cache_folder() / "compiled")
URL = "AMAS_ORCHESTRATOR_DATABASE_URL"


@asynccontextmanager
async def way_to(host: str, port: int, listen: int) -> AsyncIterator[None]:
    """Carries connections at a port of ours to the database, none of them for longer than the body."""
    carried: set[asyncio.Task[None]] = set()

    async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while piece := await source.read(65536):
                target.write(piece)
                await target.drain()
        except ConnectionError:
            pass
        finally:
            target.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(host, port)
            await asyncio.gather(carry(reader, back), carry(there, writer))
        finally:
            writer.close()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        carried.add(asyncio.create_task(connected(reader, writer)))

    server = await asyncio.start_server(accepted, "127.0.0.1", listen)
    try:
        yield
    finally:
        server.close()
        for task in carried:
            task.cancel()
        await asyncio.gather(*carried, return_exceptions=True)


async def probe(process: Process, path: str) -> tuple[int, str]:
    """Status and body; 0 while nobody listens."""
    try:
        return await _http_get(process.http, path)
    except OSError:
        return 0, ""


async def test_a_process_waits_for_its_database_alive_and_says_so(amas: Platform) -> None:
    """Pods that come before their Postgres are not started again and again: they wait, and /readyz names it."""
    there, port = urlsplit(amas.environment[URL]), free_port()
    away = amas.environment[URL].replace(f":{there.port}/", f":{port}/")
    process = await amas.launch(DATABASE_URL=away, COMPILED_DIR=COMPILED)

    async def says_database() -> bool:
        status, body = await probe(process, "/readyz")
        return status == 503 and json.loads(body)["failing"] == {"database": "NotThereYet"}

    await amas.until(says_database, f"a process that waits; log:\n{process.log}", START_SECONDS)
    assert (await probe(process, "/healthz"))[0] == 200
    assert process.returncode is None
    assert there.hostname is not None
    assert there.port is not None
    async with way_to(there.hostname, there.port, port):

        async def ready() -> bool:
            return (await probe(process, "/readyz"))[0] == 200

        await amas.until(ready, f"a process that is ready; log:\n{process.log}", START_SECONDS)
        await process.kill()


async def test_a_process_that_waits_ends_when_it_is_told(amas: Platform) -> None:
    """SIGTERM while it waits is an end like any other: exit code 0, at once."""
    process = await amas.launch(DATABASE_URL=f"postgresql://x@127.0.0.1:{free_port()}/none", COMPILED_DIR=COMPILED)

    async def alive() -> bool:
        return (await probe(process, "/healthz"))[0] == 200

    await amas.until(alive, f"a process that waits; log:\n{process.log}", START_SECONDS)
    process.signal(signal.SIGTERM)
    assert await process.wait() == 0
