"""Puts recorded decisions to a candidate and says what would change: decisions, runs that stall, approvals.

Every recorded decision ends up in exactly one of three numbers: the same, changed, not replayed. None is skipped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .comparing import Decided, as_enforced, as_recorded
from .evaluation import Answer, decide
from .recorded import UNKNOWN, Recorded
from .sources import Sources


@dataclass(frozen=True)
class Compared:
    """One decision, as it was and as it would be."""

    recorded: Recorded
    before: Decided
    after: Decided
    unanswered: Decided | None = None
    """Of what had been approved: what the candidate says before anybody has answered."""

    @property
    def changed(self) -> bool:
        return self.before != self.after

    @property
    def stalls(self) -> bool:
        """Whether an action that went ahead would not have, or would have had to wait first."""
        return self.before.effect == "allow" and self.after.effect != "allow"

    def to_dict(self) -> dict[str, Any]:
        """For JSON and YAML."""
        recorded = self.recorded
        return {
            "event": recorded.event,
            "decision": recorded.decision_id,
            "run": recorded.run,
            "step": recorded.step,
            "role": recorded.role,
            "subject": recorded.subject,
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
        }


@dataclass
class RunChange:
    """What would change for one run."""

    run: str
    changed: int = 0
    stalled: bool = False
    new_approvals: int = 0
    approvals_saved: int = 0

    def to_dict(self) -> dict[str, Any]:
        """For JSON and YAML."""
        return {
            "run": self.run,
            "changed": self.changed,
            "stalled": self.stalled,
            "newApprovals": self.new_approvals,
            "approvalsNoLongerNeeded": self.approvals_saved,
        }


@dataclass
class Replayed:
    """The whole comparison."""

    compared: list[Compared] = field(default_factory=list)
    unusable: list[Recorded] = field(default_factory=list)

    @property
    def changed(self) -> list[Compared]:
        return [item for item in self.compared if item.changed]

    def runs(self) -> list[RunChange]:
        """The runs for which something would change. Acts of administration belong to none."""
        by_run: dict[str, list[Compared]] = {}
        for item in self.compared:
            if item.recorded.run:
                by_run.setdefault(item.recorded.run, []).append(item)
        changes = [_run_change(run, items) for run, items in by_run.items()]
        return [change for change in changes if change.changed or change.new_approvals or change.approvals_saved]

    def to_dict(self) -> dict[str, Any]:
        """For JSON and YAML."""
        runs = self.runs()
        return {
            "decisions": len(self.compared) + len(self.unusable),
            "same": len(self.compared) - len(self.changed),
            "changed": [item.to_dict() for item in self.changed],
            "runs": [run.to_dict() for run in runs],
            "stalledRuns": sum(run.stalled for run in runs),
            "newApprovals": sum(run.new_approvals for run in runs),
            "approvalsNoLongerNeeded": sum(run.approvals_saved for run in runs),
            "notReplayed": [
                {"event": item.event, "run": item.run, "subject": item.subject, "why": item.unusable}
                for item in self.unusable
            ],
        }

    def transitions(self) -> Counter[tuple[str, str, str]]:
        """How often each change comes, by subject, before and after."""
        return Counter((item.recorded.subject, _shown(item.before), _shown(item.after)) for item in self.changed)


@dataclass(frozen=True)
class Questions:
    """The inputs of recorded decisions that are to be put to a candidate, and how to read its answers."""

    usable: Sequence[tuple[Recorded, Decided]]
    unusable: Sequence[Recorded]

    @classmethod
    def of(cls, recorded: Sequence[Recorded]) -> Questions:
        """Of all that can be replayed; the rest is kept with the reason."""
        usable, unusable = [], []
        for item in recorded:
            before = None if item.unusable else _before(item)
            if before is None:
                unusable.append(item if item.unusable else replace(item, unusable=UNKNOWN))
            else:
                usable.append((item, before))
        return cls(usable, unusable)

    @property
    def documents(self) -> list[Mapping[str, Any]]:
        """Every input, and then each that had been approved as it was before anybody had answered."""
        asked = [item.document or {} for item, _ in self.usable]
        return [*asked, *({**asked[number], "approval": None} for number in self._approved)]

    def answered(self, answers: Sequence[Answer]) -> Replayed:
        """The comparison; `answers` are those to `documents`, in their order."""
        unanswered = dict(zip(self._approved, answers[len(self.usable) :], strict=True))
        compared = []
        for number, (item, before) in enumerate(self.usable):
            kind = str((item.document or {})["action"]["kind"])
            first = as_enforced(unanswered[number], kind) if number in unanswered else None
            compared.append(Compared(item, before, as_enforced(answers[number], kind), first))
        return Replayed(compared, list(self.unusable))

    @property
    def _approved(self) -> list[int]:
        return [number for number, (item, _) in enumerate(self.usable) if item.approvers]


def replay(sources: Sources, recorded: Sequence[Recorded]) -> Replayed:
    """Puts all to the candidate. OpaRefusedError for one that does not compile."""
    questions = Questions.of(recorded)
    return questions.answered(decide(sources, questions.documents))


def _before(item: Recorded) -> Decided | None:
    try:
        return as_recorded(item)
    except ValueError:
        return None


def _run_change(run: str, items: Sequence[Compared]) -> RunChange:
    more, saved = _approvals(items)
    return RunChange(
        run=run,
        changed=sum(item.changed for item in items),
        stalled=any(item.stalls for item in items),
        new_approvals=more,
        approvals_saved=saved,
    )


def _approvals(items: Sequence[Compared]) -> tuple[int, int]:
    """How many more approvals people would have to give in a run, and how many nobody would ask for any more.

    An action that waited and then went ahead is two decisions, and its approvers were asked once: at the first.
    """
    asked = {item.recorded.key: item for item in items if item.unanswered is None}
    growth = [item.after.quorum - item.before.quorum for item in asked.values()]
    counted = {item.recorded.digest for item in asked.values()}
    for item in items:
        if item.unanswered is not None and item.recorded.digest not in counted:
            # Its question is not among what is replayed: it lies before the range, or an approver edited the action.
            needed, given = item.unanswered.quorum, item.recorded.approvers
            growth.append(max(0, needed - given) if needed else -given)
    return sum(number for number in growth if number > 0), -sum(number for number in growth if number < 0)


def _shown(decided: Decided) -> str:
    """With whom is asked, so that a change of this alone can be seen."""
    if decided.approval is None:
        return str(decided)
    asked: Mapping[str, Any] = decided.approval
    return f"{decided} ({asked['quorum']} of {', '.join(asked['from'])})"
