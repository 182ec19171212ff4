"""I9, with all layers: the service is killed at points of an append while other services append over mutual TLS."""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import pytest
from amas_audit.domain.signed_note import NoteSigner

from ..logs import LogDatabase
from ..processes import AuditProcess, Caller, request, write_signing_key
from .failpoints import MOMENTS, STATEMENTS
from .lives import Books, Witness

pytestmark = pytest.mark.integration

SEED = 6
ROUNDS = 2
WRITERS = 16
# Times that opening the log comes to a point, at most.
OPENING = 8
# Appends that a writer makes at most before the service has reached its point.
MOST_APPENDS = 2_000


# Two dozen lives of the service, each with a start of its own.
@pytest.mark.timeout(900)
async def test_the_service_is_killed_at_every_statement_of_an_append(
    log_database: LogDatabase, certificates: Any, signer: NoteSigner, tmp_path: Path
) -> None:
    """What a client was told stands in the log, once, at the place that it was told, under heads that all fit."""
    chance = random.Random(SEED)  # noqa: S311 - a schedule, no secret
    schedule = [f"{statement}.{moment}" for statement in STATEMENTS for moment in MOMENTS] * ROUNDS
    chance.shuffle(schedule)
    key = write_signing_key(tmp_path / "key.pem")
    service = AuditProcess(log_database, certificates, key, tmp_path / "log", {"ORIGIN": signer.verifier.name})
    connection = await asyncpg.connect(log_database.service_dsn)
    witness, books = Witness(connection, signer.verifier), Books()
    try:
        for number, point in enumerate(schedule):
            nth = chance.randint(OPENING + 1, OPENING + 9)
            service.program = ("services.audit.tests.faults.service", point, str(nth))
            await service.start()
            assert service.process is not None
            caller = Caller.of(service, "orchestrator")
            again = books.unanswered()[:WRITERS]
            await asyncio.gather(*(_write(caller, f"{number}-{n}", again[n : n + 1], books) for n in range(WRITERS)))
            assert await service.process.wait() == -signal.SIGKILL, point
            await caller.close()
            await witness.look(books.acknowledged)
        await witness.look_again(books.acknowledged)
        assert len(books.acknowledged) > len(schedule)
    finally:
        await service.kill()
        await connection.close()


async def _write(caller: Caller, prefix: str, again: list[str], books: Books) -> None:
    """Append until the service is gone."""
    for number in range(MOST_APPENDS):
        name = again.pop().removeprefix("event-") if again else f"{prefix}-{number}"
        books.note(["offered", f"event-{name}"])
        try:
            answer = await caller.stub.Append(request(name))
        except grpc.aio.AioRpcError:
            return
        books.note(["acknowledged", answer.events[0].id, str(answer.events[0].index)])
