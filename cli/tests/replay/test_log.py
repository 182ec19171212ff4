"""What a replay holds its own events against, where the record is older than a content of theirs."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from amas.audit.v1 import audit_pb2
from amas_audit.domain import leaf
from amas_audit.domain.contents import Sealed, commit
from amas_audit.entrypoints.wire import event_from_wire
from amas_cli.audit_trail import GivenContent
from amas_cli.replay.log import ReplayedLog
from amas_cli.replay.recording import ORCHESTRATOR, Event, Recording

SALT = bytes(32)
KEY = "a" * 32


def started(given: bytes | None) -> audit_pb2.AuditEvent:
    """The event of a step's start, with its input or without."""
    message = audit_pb2.AuditEvent(
        id="step-started:run-1/sort", type="dev.amas.step.started", tenant="acme", run_id="run-1", step="sort",
        data_json='{"input_bytes":9,"orchestration":"o"}',
    )  # fmt: skip
    message.time.FromJsonString("2026-11-28T10:00:00Z")
    if given is not None:
        message.contents.add(name="input", data=given)
    return message


def recorded(given: bytes | None) -> Recording:
    """The record of it."""
    event, contents = event_from_wire(0, started(None)), {}
    sealed: tuple[Sealed, ...] = ()
    if given is not None:
        made = commit(SALT, "application/json", given)
        sealed = (Sealed("input", made, KEY, "application/json", "standard", len(given)),)
        contents = {"input": GivenContent("input", given, SALT)}
    written = leaf.encode(replace(event, sealed=sealed), ORCHESTRATOR, 2).decode()
    return Recording("run-1", "acme", [Event(json.loads(written), written, contents)])


@pytest.mark.parametrize(
    ("before", "again", "same"),
    [
        (b'{"a":1}', b'{"a":1}', 1),
        (b'{"a":1}', b'{"a":2}', 0),
        (b'{"a":1}', None, 0),
        # Of a version that kept no inputs, or of an input that was too large then and now.
        (None, b'{"a":1}', 1),
        (None, None, 1),
    ],
)
async def test_an_input_is_held_against_the_record_that_has_it(
    before: bytes | None, again: bytes | None, same: int
) -> None:
    """A record of before inputs were kept replays byte for byte; one that has them does only with the same."""
    log = ReplayedLog(recorded(before))
    await log.Append(audit_pb2.AppendRequest(events=[started(again)]))
    assert log.compare(whole=True)[0] == same
    assert bool(log.compare(whole=True)[1]) is not bool(same)
