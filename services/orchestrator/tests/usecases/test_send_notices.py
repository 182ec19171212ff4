"""Reminders and escalations of an approval that nobody answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from amas_chassis.errors import AmasError, ErrorKind
from amas_orchestrator.domain.model import Json, RunState
from amas_orchestrator.domain.requirement import EscalationRule, Requirement
from amas_orchestrator.ports import Actor

from .. import resources
from ..fakes import MANAGER
from ..world import World, calls, results, says

DIRECTOR = replace(MANAGER, subject="director", groups=("directors",))


def writer(_: Actor, messages: list[Json]) -> Json:
    """Proposes one write, then is done."""
    return says({"text": results(messages)[0]}) if results(messages) else calls(("notes__write", {"text": "x"}))


@pytest.fixture
def made() -> World:
    """A world whose writes remind after 10 minutes and escalate after 15."""
    made = World(resources.bundle_of(resources.SHARED, resources.role("worker"), resources.SINGLE), writer)
    rule = EscalationRule(900.0, ("directors",))
    made.enforcer.requirement = Requirement(("release-managers",), 1, True, 1800.0, 600.0, (rule,))
    return made


def told(made: World) -> list[str]:
    """What was told, as the record has it."""
    kinds = ("approval.reminded", "approval.escalated")
    return [kind for kind in made.audit.types() if kind in kinds]


async def test_who_may_answer_is_reminded_then_more_may(made: World) -> None:
    """Each comes at its time, once, on the record and in the run's events; the new group may then answer."""

    async def wait(_: str) -> None:
        assert await made.notices() == 0
        made.clock.advance(600)
        assert [await made.notices(), await made.notices()] == [1, 0]
        assert told(made) == ["approval.reminded"]
        with pytest.raises(AmasError, match="APPROVER_NOT_ELIGIBLE"):
            await made.decide(True, DIRECTOR)
        made.clock.advance(300)
        assert [await made.notices(), await made.notices()] == [1, 0]
        await made.decide(True, DIRECTOR)

    run = await made.run("single", None, wait)
    assert run.state is RunState.SUCCEEDED
    assert told(made) == ["approval.reminded", "approval.escalated"]
    [approval] = made.approvals.stored.values()
    reminded, escalated = (r for r in made.audit.records if r.type.removeprefix("dev.amas.") in told(made))
    assert (reminded.id, reminded.data["groups"]) == (f"approval-reminded:{approval.id}/1", ["release-managers"])
    assert (escalated.id, escalated.data["groups"]) == (f"approval-escalated:{approval.id}/1", ["directors"])
    assert escalated.time - approval.requested_at == timedelta(minutes=15)
    kinds = [event.kind for event in made.runs.written[run.id] if event.kind.startswith("approval_")]
    assert kinds == ["approval_requested", "approval_reminded", "approval_escalated", "approval_decided"]


async def test_a_group_may_answer_at_its_time_though_nobody_was_told(made: World) -> None:
    """The right to answer follows the clock alone: notices that are late take nothing away."""

    async def silent(_: str) -> None:
        made.clock.advance(900)
        await made.decide(True, DIRECTOR)
        assert await made.notices() == 0, "what is decided is told to nobody"

    assert (await made.run("single", None, silent)).state is RunState.SUCCEEDED
    assert told(made) == []


async def test_a_notice_that_was_cut_is_told_again_and_stands_once(made: World) -> None:
    """The record is away, or the process dies between record and event: the same id is written again."""

    async def cut(_: str) -> None:
        made.clock.advance(600)
        made.audit.failures = [AmasError(ErrorKind.UNAVAILABLE, "AUDIT_UNAVAILABLE", "away")]
        with pytest.raises(AmasError, match="AUDIT_UNAVAILABLE"):
            await made.notices()
        assert made.approvals.noticed_ids == [], "nobody is told off the record"
        await made.notices()
        # As after a crash between the record and the database.
        made.approvals.noticed_ids.clear()
        made.clock.advance(60)
        await made.notices()
        await made.decide(False)

    await made.run("single", None, cut)
    assert told(made) == ["approval.reminded"]


async def test_no_answer_after_all_of_that_is_a_denial(made: World) -> None:
    """Escalation buys no time: the approval expires when it would have."""
    run = await made.run("single")
    assert (run.state, run.reason and run.reason.code) == (RunState.REJECTED, "APPROVAL_EXPIRED")


async def test_the_grant_says_when_it_was_asked_and_answered(made: World) -> None:
    """I3: the sidecar can hold each answer against the time from which policy lets its group answer."""

    async def late(_: str) -> None:
        made.clock.advance(1000)
        await made.decide(True, DIRECTOR)

    await made.run("single", None, late)
    grant = made.enforcer.requests[-1][3]
    assert grant is not None
    assert grant.answers[0].time - grant.requested_at == timedelta(seconds=1000)
