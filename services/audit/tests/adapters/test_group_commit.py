from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from amas_audit.adapters import group_commit
from amas_audit.adapters.group_commit import GroupCommit, Outcome
from amas_audit.domain.errors import LogDamagedError, event_conflict, log_unavailable
from amas_audit.domain.model import Appended, Submission
from amas_chassis.clock import SystemClock
from amas_chassis.errors import AmasError

from ..fakes import RecordingTelemetry
from ..logs import event, submission


class Disk:
    """Commits when it is let; keeps the groups that it was given."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.ready: list[Submission] = []
        self.free = asyncio.Event()
        self.free.set()
        self.failure: Exception | None = None
        self.poison = ""

    async def commit(self, submissions: Sequence[Submission]) -> Sequence[Outcome]:
        self.groups.append([one.events[0].id for one in submissions])
        self.ready += submissions
        await self.free.wait()
        if self.failure is not None:
            raise self.failure
        if any(one.events[0].id == self.poison for one in submissions):
            raise ValueError("the database chokes on it")
        return [
            event_conflict(one.events[0].id)
            if one.events[0].id == "event-conflict"
            else (Appended(one.events[0].id, 0, 1, duplicate=False),)
            for one in submissions
        ]


def committer(disk: Disk) -> GroupCommit:
    return GroupCommit(disk.commit, RecordingTelemetry(), SystemClock())


async def start(log: GroupCommit, disk: Disk, *submissions: Submission) -> list[asyncio.Task[tuple[Appended, ...]]]:
    """Tasks whose first submission is being committed while the rest wait."""
    disk.free.clear()
    tasks = []
    for one in submissions:
        tasks.append(asyncio.create_task(log.append(one)))
        await asyncio.sleep(0)
        if not disk.groups:
            await asyncio.sleep(0)
    return tasks


async def test_what_arrives_during_a_commit_shares_the_next() -> None:
    """One wait for the disk serves all that gathered."""
    disk = Disk()
    log = committer(disk)
    tasks = await start(log, disk, *(submission(event(n)) for n in range(5)))
    assert disk.groups == [["event-0"]]
    disk.free.set()
    await asyncio.gather(*tasks)
    assert disk.groups == [["event-0"], ["event-1", "event-2", "event-3", "event-4"]]


async def test_what_waits_is_ready_before_its_turn() -> None:
    """Else each turn would describe and write out all of its events while everybody waits for it."""
    disk = Disk()
    log = committer(disk)
    tasks = await start(log, disk, submission(event(1)), submission(event(2), event(3)))
    assert [len(one.prepared) for one in disk.ready] == [1]
    disk.free.set()
    await asyncio.gather(*tasks)
    assert [len(one.prepared) for one in disk.ready] == [1, 2]


async def test_nobody_is_answered_before_the_commit() -> None:
    """I9: an acknowledgement means that it is on disk."""
    disk = Disk()
    (task,) = await start(committer(disk), disk, submission(event(1)))
    assert not task.done()
    disk.free.set()
    assert (await task)[0].id == "event-1"


async def test_a_refused_request_does_not_fail_its_neighbours() -> None:
    """Each caller gets the answer to what it asked."""
    disk = Disk()
    log = committer(disk)
    tasks = await start(log, disk, *(submission(event(n)) for n in (1, 2, "conflict", 3)))
    disk.free.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(outcome, AmasError) for outcome in outcomes] == [False, False, True, False]


async def test_one_that_the_database_chokes_on_fails_alone() -> None:
    """A failure that nobody foresaw is found by trying each alone, and only the culprit fails."""
    disk = Disk()
    disk.poison = "event-2"
    log = committer(disk)
    tasks = await start(log, disk, *(submission(event(n)) for n in (0, 1, 2, 3)))
    disk.free.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(outcome, ValueError) for outcome in outcomes] == [False, False, True, False]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [(log_unavailable(), "LOG_UNAVAILABLE"), (LogDamagedError("x"), "LOG_DAMAGED")],
)
async def test_a_failed_commit_fails_all_and_the_next_is_tried(failure: Exception, reason: str) -> None:
    """While the database is away every append says so, each to its own caller; after that it works again."""
    disk = Disk()
    log = committer(disk)
    tasks = await start(log, disk, *(submission(event(n)) for n in range(3)))
    disk.failure = failure
    disk.free.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [outcome.reason for outcome in outcomes if isinstance(outcome, AmasError)] == [reason] * 3
    assert len({id(outcome) for outcome in outcomes}) == 3
    disk.failure = None
    assert await log.append(submission(event(9)))


async def test_a_caller_that_has_gone_is_left_out() -> None:
    """What nobody waits for any more is not written, if it is not being written already."""
    disk = Disk()
    log = committer(disk)
    tasks = await start(log, disk, *(submission(event(n)) for n in range(3)))
    tasks[1].cancel()
    await asyncio.sleep(0)
    disk.free.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert disk.groups == [["event-0"], ["event-2"]]


async def test_groups_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """No commit grows beyond its bounds, in events or in bytes, and a large request still fits alone."""
    monkeypatch.setattr(group_commit, "MAX_GROUP_EVENTS", 3)
    monkeypatch.setattr(group_commit, "MAX_GROUP_BYTES", 5000)
    disk = Disk()
    log = committer(disk)
    large = replace(submission(event("large")), size=9000)
    tasks = await start(log, disk, *(submission(event(n)) for n in range(5)), large, submission(event(9)))
    disk.free.set()
    await asyncio.gather(*tasks)
    assert disk.groups == [["event-0"], ["event-1", "event-2", "event-3"], ["event-4"], ["event-large"], ["event-9"]]


async def test_what_waits_is_bounded_and_refused_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-pressure: beyond the bound a caller is told to try again; those who wait are served."""
    monkeypatch.setattr(group_commit, "MAX_WAITING_EVENTS", 2)
    disk = Disk()
    log = committer(disk)
    tasks = await start(log, disk, *(submission(event(n)) for n in range(3)))
    with pytest.raises(AmasError) as refused:
        await log.append(submission(event(4)))
    assert (refused.value.reason, refused.value.retry_after) == ("LOG_OVERLOADED", 0.5)
    disk.free.set()
    assert len(await asyncio.gather(*tasks)) == 3


async def test_closing_waits_for_what_was_accepted() -> None:
    """I12: a drain loses nothing."""
    disk = Disk()
    log = committer(disk)
    tasks = await start(log, disk, submission(event(1)), submission(event(2)))
    disk.free.set()
    await log.close()
    assert all(task.done() for task in tasks) or len(await asyncio.gather(*tasks)) == 2
    assert disk.groups == [["event-1"], ["event-2"]]
