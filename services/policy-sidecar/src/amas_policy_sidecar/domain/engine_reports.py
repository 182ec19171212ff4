"""What a policy engine of its own process reports of itself: its state, and a log of what it decided.

Neither is ever believed against a decision: each decision says by itself which revision it was made under.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

# Decisions whose log is awaited at once; a busy sidecar makes about a thousand a second.
MAX_AWAITED = 65_536
# Seconds until a log that has not come counts as missing: longer than audit may be away without loss.
PATIENCE = 300.0


@dataclass(frozen=True)
class EngineStatus:
    """One report. `active` maps names of bundles to revisions, `failed` to the code of what is wrong with them.

    `instance` changes with each start of the engine; `list_problem` says why it does not take the list of what to
    serve; `faulty` names its other parts that are not well.
    """

    instance: str
    active: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    list_problem: str = ""
    faulty: tuple[str, ...] = ()


@dataclass(frozen=True)
class EngineDecision:
    """One entry of the engine's decision log, without any content of the input."""

    id: str
    time: datetime
    instance: str
    revision: str
    effect: str
    codes: tuple[str, ...]
    failed: bool
    tenant: str
    subject: str
    step: str
    role: str
    role_version: str
    bundle: str
    input_digest: str
    traceparent: str


class AwaitedLogs:
    """Decisions that the engine has answered and not logged yet, so that a lost log is counted."""

    def __init__(self) -> None:
        self._awaited: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._awaited)

    def expect(self, decision_id: str, now: float) -> int:
        """A decision was answered; the number of decisions that are no longer waited for in its place."""
        self._awaited[decision_id] = now
        given_up = 0
        while len(self._awaited) > MAX_AWAITED:
            self._awaited.popitem(last=False)
            given_up += 1
        return given_up

    def arrived(self, decision_id: str) -> None:
        """Its log is here."""
        self._awaited.pop(decision_id, None)

    def overdue(self, now: float) -> int:
        """Gives up on those that were waited for long enough; their number."""
        given_up = 0
        while self._awaited and next(iter(self._awaited.values())) <= now - PATIENCE:
            self._awaited.popitem(last=False)
            given_up += 1
        return given_up
