"""What the record of one run holds, found by the questions that a replay asks.

Nothing here is verified: that is what `amas audit verify` is for. Nothing is invented either: what the record does not
say is None, and whoever asks decides what follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from amas_governance.canonical import parse_json

from amas_cli.audit_trail import GivenContent

RUN_STARTED = "dev.amas.run.started"
RUN_ENDED = "dev.amas.run.ended"
STEP_STARTED = "dev.amas.step.started"
STEP_ENDED = "dev.amas.step.ended"
MODEL_CALLED = "dev.amas.model.called"
INTENT = "dev.amas.action.intent"
OUTCOME = "dev.amas.action.outcome"
DELEGATION = "dev.amas.delegation.decided"
REQUESTED = "dev.amas.approval.requested"
DECIDED = "dev.amas.approval.decided"
EDITED = "dev.amas.approval.edited"
REFUSALS = ("dev.amas.action.denied", "dev.amas.action.escalated")

ORCHESTRATOR = "orchestrator"
NOT_OF_THE_WORKFLOW = frozenset(
    {
        "dev.amas.run.taken_over",
        "dev.amas.approval.edited",
        "dev.amas.approval.reminded",
        "dev.amas.approval.escalated",
    }
)
"""What the orchestrator records besides its workflow: because of time, people or a crash."""


@dataclass(frozen=True)
class Event:
    """One event: its members, the bytes that the log proves, and the contents that are kept apart from them."""

    members: Mapping[str, Any]
    leaf: str
    contents: Mapping[str, GivenContent] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return str(self.members.get("id", ""))

    @property
    def type(self) -> str:
        return str(self.members.get("type", ""))

    @property
    def step(self) -> str:
        return str(self.members.get("step", ""))

    @property
    def sequence(self) -> int:
        return int(self.members.get("runsequence", 0))

    @property
    def source(self) -> str:
        return str(self.members.get("source", ""))

    @property
    def time(self) -> datetime:
        return datetime.fromisoformat(str(self.members["time"]))

    @property
    def data(self) -> Mapping[str, Any]:
        found = self.members.get("data")
        return found if isinstance(found, Mapping) else {}

    def text(self, name: str) -> str | None:
        """What was said under a name, in the event itself or apart from it; None if it is not given."""
        given = self.contents.get(name)
        if given is not None:
            return None if given.data is None else given.data.decode("utf-8", "replace")
        found = self.data.get(name)
        return found if isinstance(found, str) else None

    def value(self, name: str) -> Any:
        """The same of JSON: the value."""
        if name not in self.contents:
            return self.data.get(name)
        text = self.text(name)
        return None if text is None else parse_json(text)

    @property
    def action(self) -> Mapping[str, Any]:
        """What was decided about; empty for an event of another kind."""
        found = self.data.get("action")
        return found if isinstance(found, Mapping) else {}

    @property
    def of_the_workflow(self) -> bool:
        """Whether the run's own workflow wrote it, so that running it again writes it again."""
        return self.source == ORCHESTRATOR and self.type not in NOT_OF_THE_WORKFLOW


@dataclass
class Recording:
    """The events of one run in their order."""

    run: str
    tenant: str
    events: Sequence[Event]
    _by_id: dict[str, Event] = field(init=False)
    _checkpoints: dict[str, datetime] = field(init=False)

    def __post_init__(self) -> None:
        self._by_id = {event.id: event for event in self.events}
        self._checkpoints = {
            str(point["name"]): datetime.fromisoformat(str(point["at"]))
            for event in self.of_type(STEP_ENDED)
            for point in event.data.get("checkpoints") or ()
        }

    def of_type(self, *kinds: str) -> Iterator[Event]:
        return (event for event in self.events if event.type in kinds)

    def by_id(self, event_id: str) -> Event | None:
        return self._by_id.get(event_id)

    @property
    def started(self) -> Event | None:
        return next(self.of_type(RUN_STARTED), None)

    @property
    def ended(self) -> Event | None:
        """The run's last event; None while it went on when it was exported."""
        return next(self.of_type(RUN_ENDED), None)

    @property
    def bundles(self) -> list[str]:
        """Digests of the bundles that its events name, each once; a run is pinned to one."""
        return list(dict.fromkeys(str(event.members["bundle"]) for event in self.events if event.members.get("bundle")))

    def checkpoint(self, name: str) -> datetime | None:
        """When a durable step was done."""
        return self._checkpoints.get(name)

    def step_ended(self, path: str) -> Event | None:
        return self.by_id(f"step-ended:{self.run}/{path}")

    def model_called(self, call_id: str) -> Event | None:
        return self.by_id(f"model:{call_id}")

    def answers(self, key: str) -> list[Event]:
        """Decisions about the tool call with this idempotency key, in their order; faults of the engine left out."""
        return [
            event
            for event in self.of_type(INTENT, *REFUSALS)
            if event.action.get("idempotencyKey") == key and not event.data.get("fault")
        ]

    def outcome(self, key: str) -> Event | None:
        return self.by_id(f"outcome:{key}")

    def delegations(self, step: str, arguments_digest: str, delegate: str) -> list[Event]:
        """Decisions about a sub-task, in their order."""
        return [
            event
            for event in self.of_type(DELEGATION)
            if event.step == step
            and event.action.get("argumentsDigest") == arguments_digest
            and event.action.get("delegate") == delegate
            and not event.data.get("fault")
        ]

    def requested(self, approval_id: str) -> Event | None:
        return self.by_id(f"approval-requested:{approval_id}")

    def decided(self, approval_id: str) -> Event | None:
        return self.by_id(f"approval-decided:{approval_id}")

    def edits(self, approval_id: str) -> list[Event]:
        return [event for event in self.of_type(EDITED) if event.data.get("approval_id") == approval_id]

    def last_time(self, path: str) -> datetime:
        """The newest moment that the record knows of a step or of what it delegated; of the run where it has none."""
        under = [event for event in self.events if event.step == path or event.step.startswith(f"{path}/")]
        return max(event.time for event in under or self.events)
