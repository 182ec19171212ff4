from __future__ import annotations

import json
from typing import Any

import asyncpg
import pytest
from amas_audit.adapters.entry_search import _OF_INDEXES as OF_INDEXES
from amas_audit.adapters.entry_search import _OF_RANGE as OF_RANGE
from amas_audit.adapters.entry_search import _SETTINGS, _WEIGHED, EntrySearch, _index_question
from amas_audit.adapters.postgres_pool import Pool
from amas_audit.domain.model import EventFilter
from amas_audit.domain.signed_note import NoteSigner
from amas_chassis.errors import AmasError, ErrorKind

from ..logs import LogDatabase, event, open_log, submission

pytestmark = pytest.mark.integration

QUESTIONS = (
    EventFilter("acme"),
    EventFilter("acme", run_id="run-1"),
    EventFilter("acme", trace_id="0" * 32),
    EventFilter("acme", principal="developer"),
    EventFilter("acme", type="dev.amas.action.intent"),
    EventFilter("acme", role="publisher"),
    EventFilter("acme", tool="git/git_log"),
    EventFilter("acme", decision="deny"),
    EventFilter("acme", source="gateway"),
    EventFilter("acme", confidentiality=3, categories=("pii", "pci"), integrity="untrusted"),
    EventFilter("acme", since=0, until=1),
    EventFilter("acme", role="publisher", tool="git/git_log", decision="deny", since=0, newest_first=True),
)


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in _nodes(child))]


async def _plan(owner: asyncpg.Connection, statement: str, *values: object) -> list[dict[str, Any]]:
    async with owner.transaction():
        await owner.execute(_SETTINGS.format(timeout=1000))
        plan = await owner.fetchval(f"EXPLAIN (FORMAT JSON) {statement}", *values)
    return _nodes(json.loads(plan)[0]["Plan"])


@pytest.mark.parametrize("analyzed", [False, True])
@pytest.mark.parametrize("wanted", QUESTIONS)
async def test_no_filter_goes_through_the_log(
    log_database: LogDatabase, pool: Pool, signer: NoteSigner, wanted: EventFilter, analyzed: bool
) -> None:
    """Each question reads the index of its facets in their order: no sequential scan, nothing to sort."""
    wired = await open_log(pool, signer)
    await wired.log.append(submission(*(event(n) for n in range(256))))
    await wired.log.append(submission(*(event(n) for n in range(256, 512))))
    owner = await asyncpg.connect(log_database.owner_dsn)
    try:
        if analyzed:
            await owner.execute("ANALYZE audit.facet; ANALYZE audit.entry")
        statement, values = _index_question(wanted)
        nodes = await _plan(owner, statement, *values, 0, 1000, 256)
    finally:
        await owner.close()
    scans = [node for node in nodes if "Relation Name" in node]
    assert {node.get("Index Name") for node in scans} == {"facet_pkey"}
    assert not any(node["Node Type"] in {"Sort", "Incremental Sort", "Hash Join"} for node in nodes)


@pytest.mark.parametrize(("condition", "values"), [(OF_INDEXES, ([1, 2, 3],)), (OF_RANGE, (0, 255))])
async def test_leaves_are_read_by_their_places(
    log_database: LogDatabase, pool: Pool, signer: NoteSigner, condition: str, values: tuple[object, ...]
) -> None:
    """Only the partition that holds an entry is looked into, and by its key."""
    await open_log(pool, signer)
    owner = await asyncpg.connect(log_database.owner_dsn)
    try:
        statement = _WEIGHED.format(condition=condition, order="ASC")
        nodes = await _plan(owner, statement, "acme", 1000, *values)
    finally:
        await owner.close()
    scans = [node for node in nodes if "Relation Name" in node]
    assert [(node["Relation Name"], node["Index Name"]) for node in scans] == [
        ("entry_000000000000000", "entry_000000000000000_pkey")
    ]


async def test_a_search_that_takes_too_long_ends_with_advice(
    log_database: LogDatabase, pool: Pool, signer: NoteSigner
) -> None:
    """Nobody holds the database with a question; the answer says what to do, and the connection goes on."""
    wired = await open_log(pool, signer)
    await wired.log.append(submission(event(1)))
    search = EntrySearch(pool, timeout=0.05)
    owner = await asyncpg.connect(log_database.owner_dsn)
    try:
        held = owner.transaction()
        await held.start()
        await owner.execute("LOCK TABLE audit.entry IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(AmasError, match="narrow it by since and until") as refused:
            await search.entries(EventFilter("acme"), start=0, end=1000, limit=10, max_bytes=1000)
        assert (refused.value.kind, refused.value.reason) == (ErrorKind.RESOURCE_EXHAUSTED, "QUERY_TOO_WIDE")
        await held.rollback()
    finally:
        await owner.close()
    page = await wired.reader.entries(EventFilter("acme"), start=0, end=None, limit=10, max_bytes=1000)
    assert [entry.event.id for entry in page.entries] == ["event-1"]


async def test_a_wrong_index_shows_nothing_that_was_not_asked_for(
    log_database: LogDatabase, pool: Pool, signer: NoteSigner
) -> None:
    """I8: rows of the index that somebody forged lead neither to another tenant's entries nor to other answers."""
    wired = await open_log(pool, signer)
    await wired.log.append(submission(*(event(n, tenant="other" if n % 2 else "acme") for n in range(256))))
    owner = await asyncpg.connect(log_database.owner_dsn)
    try:
        await owner.execute(
            "INSERT INTO audit.facet VALUES ('acme', 'role=publisher', 0, repeat('1', 256)::bit(256), 0, 1)"
        )
    finally:
        await owner.close()
    page = await wired.reader.entries(EventFilter("acme", role="publisher"), start=0, end=None, limit=9, max_bytes=999)
    assert (page.entries, page.more) == ((), False)
