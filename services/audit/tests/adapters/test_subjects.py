"""Which runs hold a person's data, on a real Postgres."""

from __future__ import annotations

import asyncio

import pytest
from amas_audit.adapters.migrations.versions.r0006_runs_of_contents import fill
from amas_audit.adapters.postgres_eraser import PostgresEraser
from amas_audit.adapters.postgres_pool import Pool, open_pool
from amas_audit.adapters.postgres_subjects import PostgresSubjects
from amas_audit.domain.signed_note import NoteSigner
from amas_audit.usecases.erase_contents import EraseContents
from amas_audit.usecases.find_subject import FindSubject
from amas_chassis.clock import SystemClock
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from ..logs import LogDatabase, content, event, open_log, submission

pytestmark = pytest.mark.integration


async def test_the_runs_of_a_person_are_found_until_they_are_erased(
    pool: Pool, signer: NoteSigner, log_database: LogDatabase
) -> None:
    """By principal and by name, in this tenant alone (I8); what somebody else said in the same run is not counted."""
    log = await open_log(pool, signer)
    both = (content(b"1", subject="alice"), content(b"2", name="result", subject="bob"))
    own = event(2, run_id="run-b", principal="alice", contents=(content(b"3"),))
    await log.log.append(submission(event(1, run_id="run-a", contents=both), own))
    again = event(3, run_id="run-a", contents=(content(b"4", subject="alice"),))
    outside = event(4, run_id="", principal="alice", contents=(content(b"5"),))
    elsewhere = event(5, tenant="other", run_id="run-c", principal="alice", contents=(content(b"6"),))
    await log.log.append(submission(again, outside, elsewhere))
    find = FindSubject(PostgresSubjects(pool))

    runs, token, keys = await find("acme", "alice")
    assert [(run.run_id, run.events, run.contents, run.first_index, run.last_index) for run in runs] == [
        ("", 1, 1, 3, 3),
        ("run-a", 2, 2, 0, 2),
        ("run-b", 1, 1, 1, 1),
    ]
    assert all(run.first_time <= run.last_time and run.first_time.endswith("Z") for run in runs)
    assert ([key.contents for key in keys], token) == ([4], "")
    (bob,), _, _ = await find("acme", "bob")
    assert (bob.run_id, bob.contents) == ("run-a", 1)
    assert await find("acme", "nobody") == ([], "", [])

    erasers = await open_pool(log_database.eraser_dsn, connections=1, start_timeout=60)
    await EraseContents(log.log, PostgresEraser(erasers), SystemClock())(
        "acme", "alice", principal="dpo", dry_run=False
    )
    await erasers.close()
    assert await find("acme", "alice") == ([], "", [])
    assert len((await find("acme", "bob"))[0]) == 1
    assert len((await find("other", "alice"))[0]) == 1


async def test_the_runs_of_earlier_contents_are_filled_in(
    pool: Pool, signer: NoteSigner, log_database: LogDatabase
) -> None:
    """What the log held before it knew the runs of contents is found by its leaves, whatever these hold."""
    log = await open_log(pool, signer)
    odd = b'{"action":{"tool":"a\\u0000b"},"decision":{"effect":"allow"}}'
    one = event(1, run_id="run-a", principal="alice", data=odd, contents=(content(b"1"),))
    await log.log.append(submission(one, event(2, run_id="", principal="alice", contents=(content(b"2"),))))
    find = FindSubject(PostgresSubjects(pool))
    before = await find("acme", "alice")
    await asyncio.to_thread(_fill_again, log_database.owner_dsn)
    assert await find("acme", "alice") == before
    assert [run.run_id for run in before[0]] == ["", "run-a"]


def _fill_again(owner_dsn: str) -> None:
    """As the migration finds them."""
    engine = create_engine(make_url(owner_dsn).set(drivername="postgresql+psycopg"), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE audit.content DISABLE TRIGGER append_only"))
        connection.execute(text("UPDATE audit.content SET run_id = 'not yet'"))
        fill(connection)
        connection.execute(text("ALTER TABLE audit.content ENABLE TRIGGER append_only"))
    engine.dispose()
