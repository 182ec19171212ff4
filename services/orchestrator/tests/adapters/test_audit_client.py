"""Appends to a log of the release before, while an upgrade has both."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from amas.audit.v1 import audit_pb2
from amas_chassis.errors import AmasError, ErrorKind, FieldViolation
from amas_orchestrator.adapters.audit_client import AuditClient
from amas_orchestrator.domain.events import AuditRecord
from amas_orchestrator.domain.model import Run


@dataclass
class OlderLog:
    """Takes no content of one name, as a log does whose registry does not have it."""

    unknown: str
    taken: list[audit_pb2.AuditEvent] = field(default_factory=list)

    async def Append(  # noqa: N802 - the name of the method in the contract
        self, request: audit_pb2.AppendRequest, **_: object
    ) -> audit_pb2.AppendResponse:
        for number, event in enumerate(request.events):
            for at, content in enumerate(event.contents):
                if content.name == self.unknown:
                    place = FieldViolation(f"events[{number}].contents[{at}].name", f"is no content of {event.type}")
                    raise AmasError(ErrorKind.INVALID_ARGUMENT, "EVENT_INVALID", "refused", violations=[place])
        self.taken.extend(request.events)
        return audit_pb2.AppendResponse(events=[audit_pb2.AppendedEvent(id=event.id) for event in request.events])


NOW = datetime(2026, 11, 28, tzinfo=UTC)
RUN = cast(
    "Run",
    SimpleNamespace(id="run-1", trace_id="", bundle="b", principal=SimpleNamespace(tenant="acme", subject="anna")),
)
RECORDS = [
    AuditRecord("1", "dev.amas.step.started", NOW, "a", data={"orchestration": "o", "input": {"topic": "a"}}),
    AuditRecord("2", "dev.amas.step.ended", NOW, "a", data={"state": "succeeded", "output": "b"}),
]


def client(log: OlderLog) -> AuditClient:
    return AuditClient(cast("Any", SimpleNamespace(stub=log)))


async def test_a_log_of_before_takes_a_step_without_its_input() -> None:
    """A rolling upgrade fails no run: what the older log does not know is left out, and all else is there."""
    log = OlderLog("input")
    await client(log).append(RUN, RECORDS, 1)
    assert [(event.id, [one.name for one in event.contents]) for event in log.taken] == [("1", []), ("2", ["output"])]


async def test_a_log_of_today_gets_the_input() -> None:
    """Nothing is left out where it is known."""
    log = OlderLog("nothing")
    await client(log).append(RUN, RECORDS, 1)
    assert [[one.name for one in event.contents] for event in log.taken] == [["input"], ["output"]]


async def test_nothing_else_is_ever_left_out() -> None:
    """Fail closed: another content that the log refuses stays refused."""
    log = OlderLog("output")
    with pytest.raises(AmasError, match="EVENT_INVALID"):
        await client(log).append(RUN, RECORDS, 1)
    assert log.taken == []


class ShorterLog(OlderLog):
    """Has dropped the entry of one event into its archive, and cannot tell any more whether another is the same."""

    async def Append(  # noqa: N802 - the name of the method in the contract
        self, request: audit_pb2.AppendRequest, **more: object
    ) -> audit_pb2.AppendResponse:
        if any(event.id == "1" for event in request.events):
            raise AmasError(ErrorKind.FAILED_PRECONDITION, "EVENT_ARCHIVED", "stands in the log")
        return await super().Append(request, **more)


async def test_what_stands_in_the_archive_is_not_waited_for() -> None:
    """A run that waited for people for weeks says what it said before when it is taken over: it is on record."""
    log = ShorterLog("nothing")
    await client(log).append(RUN, RECORDS, 1)
    assert [event.id for event in log.taken] == ["2"]


async def test_any_other_refusal_stays_one() -> None:
    """Fenced is not archived."""

    class Fenced(OlderLog):
        async def Append(  # noqa: N802 - the name of the method in the contract
            self, request: audit_pb2.AppendRequest, **_: object
        ) -> audit_pb2.AppendResponse:
            raise AmasError(ErrorKind.FAILED_PRECONDITION, "FENCED", "taken over")

    with pytest.raises(AmasError, match="FENCED"):
        await client(Fenced("nothing")).append(RUN, RECORDS, 1)
