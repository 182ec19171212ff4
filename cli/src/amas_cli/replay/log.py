"""The audit log of a replay: takes what the re-run records, and holds it byte for byte against what was recorded.

Stands behind the orchestrator's own client, where the stub of the service stood; the audit service's own code makes the
leaf, with the place in the run that the record gives it.
"""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from dataclasses import replace

from amas.audit.v1 import audit_pb2
from amas_audit.domain import leaf
from amas_audit.domain.contents import Content, Sealed, commit
from amas_audit.entrypoints.wire import event_from_wire

from .outcomes import Difference
from .recording import ORCHESTRATOR, STEP_STARTED, Event, Recording


class ReplayedLog:
    """AuditService, as far as a run uses it."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self.written: dict[str, audit_pb2.AuditEvent] = {}

    async def Append(  # noqa: N802 - the name of the method in the contract
        self, request: audit_pb2.AppendRequest, **_: object
    ) -> audit_pb2.AppendResponse:
        """Takes events; one that is there already stays as it is."""
        for event in request.events:
            self.written.setdefault(event.id, event)
        return audit_pb2.AppendResponse(events=[audit_pb2.AppendedEvent(id=event.id) for event in request.events])

    def expected(self) -> list[Event]:
        """The recorded events that a re-run writes again."""
        return [event for event in self._recording.events if event.of_the_workflow]

    def compare(self, *, whole: bool) -> tuple[int, list[Difference]]:
        """How many events are the same byte for byte, and what differs; `whole`: none may be missing."""
        differences, same = [], 0
        expected = {event.id: event for event in self.expected()}
        for event_id, message in self.written.items():
            recorded = expected.get(event_id)
            if recorded is None:
                differences.append(Difference("event", event_id, None, json.loads(_leaf(message, None))))
                continue
            again = _leaf(message, recorded)
            if again == recorded.leaf.encode():
                same += 1
            else:
                differences.append(Difference("event", event_id, dict(recorded.members), json.loads(again)))
        if whole:
            missing = [event for event_id, event in expected.items() if event_id not in self.written]
            differences += [Difference("missing", event.id, dict(event.members), None) for event in missing]
        return same, [*differences, *self._order(expected)]

    def _order(self, expected: dict[str, Event]) -> list[Difference]:
        """Steps that run beside one another have no order between them: it is held against the record within each."""
        recorded, replayed = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
        for event in expected.values():
            if event.id in self.written:
                recorded[_thread(event.step)].append(event.id)
        for event_id, message in self.written.items():
            if event_id in expected:
                replayed[_thread(message.step)].append(event_id)
        return [
            Difference("order", thread or "run", ids, replayed[thread])
            for thread, ids in recorded.items()
            if ids != replayed[thread]
        ]


def _thread(step: str) -> str:
    return step.partition("/")[0]


def _leaf(message: audit_pb2.AuditEvent, recorded: Event | None) -> bytes:
    """The leaf that the log would make of an event in the recorded one's place, and with the salts of its contents."""
    event, sequence = event_from_wire(0, message), 0
    if recorded is not None:
        sequence = recorded.sequence
        contents = [content for content in event.contents if not _came_later(content, recorded)]
        event = replace(event, sealed=tuple(_sealed(content, recorded) for content in sorted(contents, key=_name)))
    return leaf.encode(replace(event, contents=()), ORCHESTRATOR, sequence)


def _sealed(content: Content, recorded: Event) -> Sealed:
    """What the leaf says of a content: committed to anew with the recorded salt, or as recorded if that was erased."""
    stated = (recorded.members.get("contents") or {}).get(content.name) or {}
    given = recorded.contents.get(content.name)
    if given is None or given.data is None:
        made = base64.b64decode(str(stated.get("commitment", "")))
    else:
        made = commit(given.salt, content.media_type, content.data)
    key = str(stated.get("key", ""))
    return Sealed(content.name, made, key, content.media_type, content.retention, len(content.data))


def _came_later(content: Content, recorded: Event) -> bool:
    """Whether a content is one that its type did not have when the event was recorded: a step's input.

    An input that was too large to be recorded is too large to be written again, so that nothing else is passed over.
    """
    return (recorded.type, content.name) == (STEP_STARTED, "input") and content.name not in (
        recorded.members.get("contents") or {}
    )


def _name(content: Content) -> str:
    return content.name
