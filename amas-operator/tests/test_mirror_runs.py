"""mirror_runs: the cluster shows the newest runs, never more than the limit, and loses none for want of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from amas_chassis.clock import ManualClock
from amas_operator.domain.errors import (
    ChangedMeanwhileError,
    NotAllowedError,
    OperatorError,
    RefusedError,
    UnavailableError,
)
from amas_operator.domain.model import Found
from amas_operator.domain.runs import RunObject, RunSeen
from amas_operator.telemetry import OperatorTelemetry
from amas_operator.usecases.mirror_runs import MirrorRuns
from prometheus_client import CollectorRegistry

START = datetime(2026, 11, 28, 20, 0, tzinfo=UTC)
LIMIT = 3


@dataclass
class FakeObjects:
    """Objects by name, the writes to them, and how many there were at most."""

    held: dict[str, dict[str, Any]] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)
    writes: list[str] = field(default_factory=list)
    most: int = 0

    async def mirrored(self) -> list[RunObject]:
        return [RunObject(name, status) for name, status in self.held.items()]

    async def create(self, name: str, status: Mapping[str, Any]) -> None:
        if name in self.held or name in self.foreign:
            raise ChangedMeanwhileError("taken")
        self.held[name] = dict(status)
        self.writes.append(f"create {name}")
        self.most = max(self.most, len(self.held))

    async def update(self, run: RunObject, status: Mapping[str, Any]) -> None:
        if run.name not in self.held:
            raise ChangedMeanwhileError("gone")
        self.held[run.name] = dict(status)
        self.writes.append(f"update {run.name}")

    async def delete(self, name: str) -> None:
        if self.held.pop(name, None) is None:
            raise ChangedMeanwhileError("gone")
        self.writes.append(f"delete {name}")


@dataclass
class FakeRuns:
    """Runs from the newest to the oldest, or an error."""

    listed: list[RunSeen] = field(default_factory=list)
    error: OperatorError | None = None
    asked: int = 0

    async def newest(self, count: int) -> list[RunSeen]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.listed[:count]


@dataclass
class Stage:
    """A namespace, a platform, and what shows one in the other."""

    objects: FakeObjects = field(default_factory=FakeObjects)
    runs: FakeRuns = field(default_factory=FakeRuns)
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.telemetry = OperatorTelemetry(self.registry)
        self.round = self.mirror(LIMIT)

    def mirror(self, limit: int) -> MirrorRuns:
        """An operator with a limit."""
        return MirrorRuns(self.objects, self.runs, self.telemetry, self.clock, limit)

    def condition(self, name: str) -> dict[str, Any]:
        """The condition Current of a run."""
        (condition,) = self.objects.held[name]["conditions"]
        return dict(condition)


def _run(name: str, **more: Any) -> RunSeen:
    plain = RunSeen(name, "release-notes", "running", START, START, None, "0.0120", "EUR", "4bf92f35")
    return replace(plain, **more)


@pytest.fixture
def stage() -> Stage:
    """Two runs, of which none is shown yet."""
    found = Stage()
    found.runs.listed = [_run("run-2", state="waiting", approvals_waiting=1), _run("run-1")]
    return found


async def test_runs_are_shown_as_they_are_listed(stage: Stage) -> None:
    """And no more of them than a status has fields for."""
    await stage.round()
    assert stage.objects.held["run-2"] == {
        "orchestration": "release-notes",
        "state": "waiting",
        "approvalsWaiting": 1,
        "createdAt": "2026-11-28T20:00:00Z",
        "startedAt": "2026-11-28T20:00:00Z",
        "cost": "0.0120",
        "currency": "EUR",
        "traceId": "4bf92f35",
        "conditions": [stage.condition("run-2")],
    }
    assert stage.condition("run-2")["status"] == "True"
    assert stage.registry.get_sample_value("amas_operator_runs") == 2
    assert stage.registry.get_sample_value("amas_operator_mirror_rounds_total", {"outcome": "mirrored"}) == 1


async def test_only_what_changed_is_written(stage: Stage) -> None:
    """A second round over the same writes nothing; a run that ended is one write."""
    await stage.round()
    stage.objects.writes.clear()
    stage.clock.advance(60)
    await stage.round()
    assert stage.objects.writes == []
    stage.runs.listed[1] = _run("run-1", state="succeeded", ended_at=stage.clock.now())
    await stage.round()
    assert stage.objects.writes == ["update run-1"]
    assert stage.objects.held["run-1"]["endedAt"] == "2026-11-28T20:01:00Z"


async def test_there_are_never_more_than_the_limit(stage: Stage) -> None:
    """Older ones go before newer ones come, also when the limit was larger before."""
    stage.runs.listed = [_run(f"run-{number}") for number in range(9, 0, -1)]
    await stage.round()
    assert set(stage.objects.held) == {"run-9", "run-8", "run-7"}
    stage.runs.listed = [_run("run-b"), _run("run-a"), *stage.runs.listed]
    await stage.round()
    assert set(stage.objects.held) == {"run-b", "run-a", "run-9"}
    assert stage.objects.most == LIMIT
    await stage.mirror(1)()
    assert set(stage.objects.held) == {"run-b"}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UnavailableError("the gateway cannot be reached"), "PlatformUnavailable"),
        (NotAllowedError("no role allows run.read (ROLE_MISSING)"), "Refused"),
        (RefusedError([Found("", "no such page")]), "Refused"),
    ],
)
async def test_without_an_answer_all_stays_and_says_since_when(stage: Stage, error: OperatorError, reason: str) -> None:
    """One write a run for the whole outage, and one when the platform is back."""
    await stage.round()
    before = dict(stage.objects.held["run-1"])
    stage.runs.error = error
    stage.objects.writes.clear()
    for _ in range(3):
        stage.clock.advance(30)
        with pytest.raises(UnavailableError, match=str(error).split(" (")[0]):
            await stage.round()
    assert sorted(stage.objects.writes) == ["update run-1", "update run-2"]
    after = stage.objects.held["run-1"]
    assert {**after, "conditions": []} == {**before, "conditions": []}
    condition = stage.condition("run-1")
    assert (condition["status"], condition["reason"]) == ("False", reason)
    assert condition["lastTransitionTime"] == "2026-11-28T20:00:30Z"
    assert condition["message"].startswith("last seen 2026-11-28T20:00:00Z: ")
    assert stage.registry.get_sample_value("amas_operator_mirror_rounds_total", {"outcome": "unavailable"}) == 3
    stage.runs.error = None
    await stage.round()
    assert stage.condition("run-1")["lastTransitionTime"] == "2026-11-28T20:01:30Z"
    assert len(stage.objects.writes) == 4


async def test_an_operator_that_starts_during_an_outage_keeps_what_it_finds(stage: Stage) -> None:
    """It has seen no run itself: the last word is that of the one before."""
    await stage.round()
    stage.runs.error = UnavailableError("away")
    stage.clock.advance(600)
    with pytest.raises(UnavailableError):
        await stage.mirror(LIMIT)()
    assert stage.condition("run-2")["message"] == "last seen 2026-11-28T20:00:00Z: away"


async def test_none_are_shown_with_a_limit_of_zero(stage: Stage) -> None:
    """What was shown before goes, and the platform is not asked."""
    await stage.round()
    await stage.mirror(0)()
    assert stage.objects.held == {}
    assert stage.runs.asked == 1


async def test_a_run_that_somebody_else_wrote_is_left_alone(stage: Stage) -> None:
    """The others are shown all the same."""
    stage.objects.foreign.add("run-2")
    await stage.round()
    assert stage.objects.writes == ["create run-1"]
