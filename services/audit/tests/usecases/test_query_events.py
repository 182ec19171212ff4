from __future__ import annotations

from dataclasses import replace

import pytest
from amas_audit.domain.model import EventFilter
from amas_audit.domain.signed_note import NoteSigner
from amas_audit.usecases.query_events import DEFAULT_PAGE_SIZE, MAX_PAGE_CONTENT_BYTES, QueryEvents
from amas_chassis.errors import AmasError
from amas_chassis.pagination import encode_token

from ..fakes import MemoryLog
from ..logs import content, event, submission

WANTED = EventFilter(tenant="acme", run_id="run-1")


@pytest.fixture
async def log(signer: NoteSigner) -> MemoryLog:
    made = MemoryLog(signer)
    await made.append(submission(*(event(n) for n in range(250))))
    return made


async def test_pages_join_without_gap_or_overlap_while_the_log_grows(log: MemoryLog) -> None:
    """A reader who follows the tokens sees each entry once, also those that come meanwhile."""
    query = QueryEvents(log, log)
    seen, token = [], ""
    for number in range(100):
        entries, token = await query(WANTED, page_size=7, page_token=token)
        seen.extend(entry.event.id for entry in entries)
        if number < 5:
            await log.append(submission(event(f"late-{number}")))
        if not token:
            break
    assert seen == [f"event-{n}" for n in range(250)] + [f"event-late-{n}" for n in range(5)]


async def test_the_newest_come_first_and_a_growing_log_moves_no_page(log: MemoryLog) -> None:
    """Who looks back from now sees each entry once, whatever is appended meanwhile."""
    wanted = replace(WANTED, newest_first=True)
    seen: list[str] = []
    token = ""
    while len(seen) < 250:
        entries, token = await QueryEvents(log, log)(wanted, page_size=40, page_token=token)
        seen.extend(entry.event.id for entry in entries)
        await log.append(submission(event(f"late-{len(seen)}")))
    assert seen == [f"event-{n}" for n in range(249, -1, -1)]
    assert token == ""


async def test_a_time_that_ends_before_it_begins_is_refused(log: MemoryLog) -> None:
    """I11: a question that nothing can answer is a mistake, and the answer names the field."""
    with pytest.raises(AmasError, match="until: must be after since") as refused:
        await QueryEvents(log, log)(EventFilter(tenant="acme", since=5, until=5))
    assert refused.value.violations[0].field == "until"


async def test_a_page_has_a_bound_by_default(log: MemoryLog) -> None:
    """Nobody gets the whole log by asking for nothing."""
    entries, token = await QueryEvents(log, log)(WANTED)
    assert len(entries) == DEFAULT_PAGE_SIZE
    assert token


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "!!",
        encode_token({"after": 3}),
        encode_token({"after": -1, "query": "?"}),
        encode_token({"after": True, "query": "?"}),
    ],
)
async def test_a_token_that_was_not_given_out_is_refused(log: MemoryLog, token: str) -> None:
    """I11: a made-up token gets an error, not some page."""
    with pytest.raises(AmasError) as refused:
        await QueryEvents(log, log)(WANTED, page_token=token)
    assert refused.value.reason == "PAGE_TOKEN_INVALID"


async def test_a_token_of_another_query_is_refused(log: MemoryLog) -> None:
    """I8: a token taken from one tenant's query does not work in another's."""
    _, token = await QueryEvents(log, log)(WANTED, page_size=5)
    with pytest.raises(AmasError, match="another query"):
        await QueryEvents(log, log)(EventFilter(tenant="other", run_id="run-1"), page_token=token)


async def test_contents_come_when_they_are_asked_for_and_pages_stay_bounded(signer: NoteSigner) -> None:
    """A page with contents ends early rather than growing beyond a message, and loses nothing."""
    log = MemoryLog(signer)
    for number in range(5):
        await log.append(submission(event(number, contents=(content(bytes(MAX_PAGE_CONTENT_BYTES // 2)),))))
    query = QueryEvents(log, log)
    entries, _ = await query(WANTED)
    assert [(len(entry.event.sealed), entry.contents) for entry in entries] == [(1, ())] * 5
    seen, pages, token = [], 0, ""
    while pages == 0 or token:
        entries, token = await query(WANTED, page_token=token, with_contents=True)
        seen.extend(entry.event.id for entry in entries)
        assert all(entry.contents[0].data == bytes(MAX_PAGE_CONTENT_BYTES // 2) for entry in entries)
        pages += 1
    assert (pages, seen) == (3, [f"event-{number}" for number in range(5)])
