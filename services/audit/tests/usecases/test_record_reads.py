"""Reads of entries over HTTPS are put on record, batched, for each tenant whose entries were read."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping

import pytest
from amas_audit.domain.errors import log_unavailable
from amas_audit.domain.model import Appended, Event, Submission
from amas_audit.usecases.record_reads import MAX_STRETCHES, READ, RecordReads, joined_with
from amas_chassis.clock import SystemClock
from amas_chassis.errors import AmasError
from amas_governance.audit_events import misfit
from hypothesis import given
from hypothesis import strategies as st


class Log:
    """Keeps what is appended, or is away."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.away = False

    async def append(self, submission: Submission) -> tuple[Appended, ...]:
        if self.away:
            raise log_unavailable()
        assert submission.source == "audit"
        self.events += submission.events
        return ()

    def said(self) -> list[tuple[str, str, object, int]]:
        """Tenant, reader, stretches and count of each event."""
        found = []
        for event in self.events:
            data = json.loads(event.data)
            assert misfit(READ, data) == ""
            found.append((event.tenant, event.principal, data["filters"]["stretches"], data["count"]))
        return found


class Halves:
    """Even entries are acme's, odd ones globex's."""

    async def tenants(self, start: int, end: int) -> Mapping[str, int]:
        entries = range(start, end)
        return {"acme": sum(one % 2 == 0 for one in entries), "globex": sum(one % 2 for one in entries)}


async def test_a_whole_copy_is_one_event_for_each_tenant() -> None:
    """However many bundles it took; and nothing is said twice."""
    log = Log()
    reads = RecordReads(log, Halves(), SystemClock())
    for start in (512, 0, 256, 256):
        reads.note("auditor", start, start + 256)
    reads.note("auditor", 2000, 2001)
    await reads.flush()
    stretches = [[0, 768], [2000, 2001]]
    assert log.said() == [("acme", "auditor", stretches, 385), ("globex", "auditor", stretches, 384)]
    await reads.flush()
    assert len(log.events) == 2


class SlowLog(Log):
    """Does not answer the first append."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    async def append(self, submission: Submission) -> tuple[Appended, ...]:
        if not self.asked.is_set():
            self.asked.set()
            await asyncio.Event().wait()
        return await super().append(submission)


async def test_a_stop_in_the_middle_loses_no_read() -> None:
    """I12: what was being written when the service was told to stop is written before it ends."""
    log = SlowLog()
    reads = RecordReads(log, Halves(), SystemClock())
    reads.note("auditor", 0, 2)
    writing = asyncio.create_task(reads.flush())
    await log.asked.wait()
    reads.note("auditor", 2, 4)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await reads.flush()
    assert log.said() == [("acme", "auditor", [[0, 4]], 2), ("globex", "auditor", [[0, 4]], 2)]


async def test_what_cannot_be_written_waits_and_is_bounded() -> None:
    """While the log is away nothing is forgotten; at the bound reading is refused (fail closed)."""
    log = Log()
    log.away = True
    reads = RecordReads(log, Halves(), SystemClock())
    for number in range(MAX_STRETCHES):
        reads.note("auditor", number * 10, number * 10 + 2)
    await reads.flush()
    with pytest.raises(AmasError) as refused:
        reads.note("auditor", 1_000_000, 1_000_001)
    assert refused.value.reason == "READS_UNRECORDED"
    reads.note("auditor", 2, 9)
    log.away = False
    await reads.flush()
    assert sum(count for *_, count in log.said()) == 2 * MAX_STRETCHES + 7
    reads.note("auditor", 1_000_000, 1_000_001)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)).map(lambda one: (one[0], one[0] + one[1]))))
def test_stretches_cover_what_was_read_and_nothing_else(read: list[tuple[int, int]]) -> None:
    """Rising, apart from one another, whatever the order was."""
    joined: list[tuple[int, int]] = []
    for one in read:
        joined = joined_with(joined, one)
    assert {at for start, end in joined for at in range(start, end)} == {
        at for start, end in read for at in range(start, end)
    }
    assert all(earlier[1] < later[0] for earlier, later in itertools.pairwise(joined))
