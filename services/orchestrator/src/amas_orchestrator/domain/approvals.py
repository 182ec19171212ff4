"""Approvals: what a human is asked, and what was answered (invariant I3). The rules are in answering.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from amas_governance.labels import Label

from .model import Json, Reason
from .requirement import Requirement


class ApprovalState(StrEnum):
    """Where an approval is. `opening` is not shown to anybody: its request is not on the record yet."""

    OPENING = "opening"
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class ApprovalKind(StrEnum):
    """What is asked."""

    ACTION = "action"
    UNKNOWN_OUTCOME = "unknown_outcome"
    BOUND = "bound"
    DECLASSIFICATION = "declassification"


@dataclass(frozen=True)
class Proposer:
    """Who proposed an action: through which application and roles, in which turn, after seeing what."""

    application: str = ""
    orchestration: str = ""
    delegated_by: tuple[str, ...] = ()
    turn: int = 0
    label: Label = field(default_factory=Label)

    def to_dict(self) -> Json:
        """Plain JSON form."""
        return {
            "application": self.application,
            "orchestration": self.orchestration,
            "delegated_by": list(self.delegated_by),
            "turn": self.turn,
            "label": self.label.to_dict(),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Proposer:
        """The proposer of `to_dict`."""
        return cls(
            application=value["application"],
            orchestration=value["orchestration"],
            delegated_by=tuple(value["delegated_by"]),
            turn=int(value["turn"]),
            label=Label.from_dict(value["label"]),
        )


@dataclass(frozen=True)
class Answer:
    """One human's answer. `groups` are those of the token that made it count; the digests name what was answered."""

    approver: str
    issuer: str
    approved: bool
    reason: str
    time: datetime
    groups: tuple[str, ...]
    action_digest: str
    rendering_digest: str

    def to_dict(self) -> Json:
        """Plain JSON form, for the record."""
        return {
            "approver": self.approver,
            "issuer": self.issuer,
            "approved": self.approved,
            "reason": self.reason,
            "time": self.time.isoformat(),
            "groups": list(self.groups),
            "action_digest": self.action_digest,
            "rendering_digest": self.rendering_digest,
        }


@dataclass(frozen=True)
class Edit:
    """An action that an approver put in place of the proposed one: other arguments, its own digest and requirement."""

    action_digest: str
    arguments_json: str
    editor: str
    issuer: str
    time: datetime
    reasons: tuple[Reason, ...]
    requirement: Requirement


@dataclass(frozen=True)
class Question:
    """One action that people are asked about: the proposed one, or what an approver made of it."""

    action_digest: str
    arguments_json: str
    reasons: tuple[Reason, ...]
    requirement: Requirement
    expires_at: datetime
    editor: str = ""


@dataclass(frozen=True)
class Approval:
    """A question to humans about exactly one action, under one bundle, until one moment."""

    id: str
    tenant: str
    run_id: str
    workflow_id: str
    step: str
    kind: ApprovalKind
    state: ApprovalState
    requester: str
    role: str
    purpose: str
    tool: str
    arguments_json: str
    action_digest: str
    bundle: str
    reasons: tuple[Reason, ...]
    requirement: Requirement
    requested_at: datetime
    expires_at: datetime
    proposer: Proposer = field(default_factory=Proposer)
    answers: tuple[Answer, ...] = ()
    edits: tuple[Edit, ...] = ()

    @property
    def proposed(self) -> Question:
        """The action as it was proposed."""
        return Question(self.action_digest, self.arguments_json, self.reasons, self.requirement, self.expires_at)

    def edited(self, edit: Edit) -> Question:
        """The action of an edit, which is asked about no longer than the proposed one."""
        until = min(self.expires_at, self.requested_at + timedelta(seconds=edit.requirement.expires_in))
        return Question(
            edit.action_digest, edit.arguments_json, edit.reasons, edit.requirement, until, editor=edit.editor
        )

    def question(self, action_digest: str) -> Question | None:
        """The action with this digest, if people are asked about it."""
        for question in (self.proposed, *map(self.edited, self.edits)):
            if question.action_digest == action_digest:
                return question
        return None

    @property
    def approved_answers(self) -> tuple[Answer, ...]:
        """The answers that approved the action, all of them about the same one; empty unless it is approved."""
        question = self.approved_question
        return () if question is None else self.agreeing(question)

    @property
    def approved_question(self) -> Question | None:
        """The action that was approved, once one is: the first to reach its quorum was the last to be answered."""
        if self.state is not ApprovalState.APPROVED:
            return None
        for question in (self.proposed, *map(self.edited, self.edits)):
            if len(self.agreeing(question)) >= question.requirement.quorum:
                return question
        return None

    def agreeing(self, question: Question) -> tuple[Answer, ...]:
        """The answers that approve this action."""
        digest = question.action_digest
        return tuple(given for given in self.answers if given.approved and given.action_digest == digest)

    @property
    def requesters(self) -> frozenset[str]:
        """Names that four eyes exclude: who is responsible for the run, and the application that was used for it."""
        return frozenset({self.requester, self.proposer.application} - {""})
