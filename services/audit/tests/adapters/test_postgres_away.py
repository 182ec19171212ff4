from __future__ import annotations

import asyncio

import pytest
from amas_audit.adapters.postgres_pool import Pool
from amas_audit.domain.model import EventFilter
from amas_audit.domain.signed_note import NoteSigner
from amas_chassis.errors import AmasError, ErrorKind

from ..faults.servers import FaultyPostgres
from ..logs import LogDatabase, append_persistently, event, open_log, submission

pytestmark = pytest.mark.integration


@pytest.fixture
def log_database(own_database: LogDatabase) -> LogDatabase:
    """On a server that may be taken away."""
    return own_database


async def test_the_log_comes_back_with_its_database(
    pool: Pool, signer: NoteSigner, own_postgres: FaultyPostgres
) -> None:
    """While Postgres is away every call says "try again"; when it is back all works, and nothing is lost or doubled."""
    wired = await open_log(pool, signer)
    await wired.log.append(submission(event(0)))
    await asyncio.to_thread(own_postgres.stop)
    try:
        for attempt in (
            wired.log.append(submission(event(1))),
            wired.reader.entries(EventFilter("acme"), start=0, end=None, limit=9, max_bytes=9),
            wired.reader.head(),
            wired.reader.tiles([(0, 0)]),
            wired.reader.check(),
        ):
            with pytest.raises(AmasError) as refused:
                await attempt
            assert (refused.value.kind, refused.value.reason) == (ErrorKind.UNAVAILABLE, "LOG_UNAVAILABLE")
            assert refused.value.retry_after
    finally:
        await asyncio.to_thread(own_postgres.start)
    assert [await append_persistently(wired, event(number)) for number in (1, 0, 2)] == [1, 0, 2]
    await wired.reader.check()


async def test_appends_under_way_when_the_database_dies_are_answered_and_can_be_repeated(
    pool: Pool, signer: NoteSigner, own_postgres: FaultyPostgres
) -> None:
    """I9: an append whose commit nobody knows the end of is refused, and its retry finds it or writes it, once."""
    wired = await open_log(pool, signer)
    tasks = [asyncio.create_task(append_persistently(wired, event(number))) for number in range(200)]
    await tasks[0]
    await asyncio.to_thread(own_postgres.stop)
    await asyncio.to_thread(own_postgres.start)
    assert sorted(await asyncio.gather(*tasks)) == list(range(200))
