"""I9: `kill -9` of the log's process at each point of an append, and a process that stops and wakes up late."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import AsyncIterator

import asyncpg
import psutil
import pytest
from amas_audit.domain.signed_note import NoteSigner

from ..logs import LogDatabase
from ..processes import poll
from .appender import Generation
from .failpoints import POINTS
from .lives import SILENCE_TIMEOUT, Books, Witness, appender

pytestmark = pytest.mark.integration

SEED = 20261128
# Times that the process is killed at each point: 17 points make 510.
ROUNDS = 30
# Kills between two readings of the whole log; after each other one only what is new is read.
WHOLE_EVERY = 60
# From the lock to the commit: what a process that stops there has begun, the database rolls back.
WITHIN = ("begin.after", "read.before", "read.sent", "read.after", "sign.before", "sign.after", "write.before",
          "write.sent", "write.after", "commit.before")  # fmt: skip
# Milliseconds after which the database ends the transaction of a process that stands still within it.
IDLE_MS = 300
# The same, where it stands still between two steps of one statement.
TRANSACTION_MS = 2_000


@pytest.fixture
async def witness(log_database: LogDatabase, signer: NoteSigner) -> AsyncIterator[Witness]:
    """An outsider with a connection of its own."""
    connection = await asyncpg.connect(log_database.service_dsn)
    yield Witness(connection, signer.verifier)
    await connection.close()


@pytest.mark.timeout(1_800)
async def test_kill_9_at_every_point_of_an_append(
    log_database: LogDatabase, signer: NoteSigner, witness: Witness
) -> None:
    """Nothing acknowledged is lost, changed or doubled, and each head that was ever signed still fits the log."""
    chance = random.Random(SEED)  # noqa: S311 - a schedule, no secret
    schedule = [(point, chance.randint(1, 4)) for point in POINTS for _ in range(ROUNDS)]
    chance.shuffle(schedule)
    assert len(schedule) >= 500
    books = Books()
    async with appender(books) as process:
        for number, (point, nth) in enumerate(schedule):
            again = chance.sample(books.unanswered(), min(len(books.unanswered()), chance.randrange(12)))
            generation = Generation(
                log_database.service_dsn, signer.verifier.name, f"g{number}", point, nth, again=again,
                writers=chance.randint(1, 8),
            )  # fmt: skip
            assert await process.live(generation) == -signal.SIGKILL, (number, point, nth)
            await witness.look(books.acknowledged)
            if number % WHOLE_EVERY == 0:
                await witness.look_again(books.acknowledged)
        # What nobody had answered is sent again, and what was answered too: each is answered as the first time.
        last = Generation(log_database.service_dsn, signer.verifier.name, "last", again=[*books.offered])
        assert await process.live(last) == 0
    await witness.look_again(books.acknowledged)
    assert books.unanswered() == []
    assert witness.size == len(books.offered)
    assert len(witness.heads) > len(schedule)


@pytest.mark.parametrize("point", POINTS)
async def test_a_sequencer_that_stops_is_taken_over_and_does_nothing_when_it_wakes(
    point: str, log_database: LogDatabase, signer: NoteSigner, witness: Witness
) -> None:
    """Two sequencers: the second goes on within the database's bound, and what the late one still held is not written
    over: it is refused, reads the log anew, and its callers' retries find their places."""
    books = Books()
    dsn, origin = log_database.service_dsn, signer.verifier.name
    async with appender(books) as first, appender(books) as second:
        bounds = {"idle_in_transaction_ms": IDLE_MS, "transaction_ms": TRANSACTION_MS}
        stopped = await first.begin(Generation(dsn, origin, "late", point, 2, "stop", appends=15, **bounds))
        await _until_stopped(stopped)
        assert await second.live(Generation(dsn, origin, "heir", **bounds)) == 0
        await witness.look(books.acknowledged)
        taken_over = witness.size
        os.kill(stopped, signal.SIGCONT)
        assert await first.end() == 0
    await witness.look_again(books.acknowledged)
    assert books.unanswered() == []
    assert witness.size == len(books.offered)
    assert (point not in WITHIN) or "LOG_UNAVAILABLE" in books.refused
    assert taken_over >= 6 * 24


async def _until_stopped(process: int) -> None:
    async def reached() -> bool:
        return psutil.Process(process).status() == psutil.STATUS_STOPPED

    await poll(reached, seconds=SILENCE_TIMEOUT, pause=0.01)


@pytest.mark.timeout(1_200)
async def test_two_sequencers_at_once_and_each_is_killed_in_turn(
    log_database: LogDatabase, signer: NoteSigner, witness: Witness
) -> None:
    """Two processes write at the same time, and again and again one of them dies: one history all the same."""
    chance = random.Random(SEED + 1)  # noqa: S311 - a schedule, no secret
    books = Books()
    dsn, origin = log_database.service_dsn, signer.verifier.name
    async with appender(books) as first, appender(books) as second:
        for number in range(30):
            point, nth = chance.choice(POINTS), chance.randint(1, 4)
            await first.begin(Generation(dsn, origin, f"a{number}", point, nth, again=books.unanswered()[:9]))
            assert await second.live(Generation(dsn, origin, f"b{number}")) == 0
            assert await first.end() == -signal.SIGKILL
            await witness.look(books.acknowledged)
        assert await first.live(Generation(dsn, origin, "last", again=[*books.offered])) == 0
    await witness.look_again(books.acknowledged)
    assert witness.size == len(books.offered)
