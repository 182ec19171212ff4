"""Approvals: what a human is asked, and the rules by which an answer counts (invariant I3).

Pure: the store locks the row, asks these rules, and writes what they say in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.resources import ApprovalRequirement

from .errors import refused
from .model import Json, Principal, Reason

ADMINISTRATORS = "platform-admins"
"""Group that answers where no contract names one: unknown outcomes and bounds. The role `platform-admin` is in it."""
ADMINISTRATOR_ROLE = "platform-admin"


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


@dataclass(frozen=True)
class Requirement:
    """Who must answer, how many of them, within how many seconds."""

    groups: tuple[str, ...]
    quorum: int
    four_eyes: bool
    expires_in: float

    def to_dict(self) -> Json:
        """Plain JSON form."""
        return {
            "from": list(self.groups),
            "quorum": self.quorum,
            "four_eyes": self.four_eyes,
            "expires_in": self.expires_in,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Requirement:
        """The requirement of `to_dict`."""
        return cls(tuple(value["from"]), int(value["quorum"]), bool(value["four_eyes"]), float(value["expires_in"]))

    @classmethod
    def of(cls, requirement: ApprovalRequirement | None) -> Requirement:
        """The requirement that a contract states, or the administrators where it states none."""
        if requirement is None:
            return cls((ADMINISTRATORS,), 1, True, 3600.0)
        return cls(requirement.from_, requirement.quorum, requirement.four_eyes, requirement.expires_in)


@dataclass(frozen=True)
class Answer:
    """One human's answer. `groups` are those that made it count."""

    approver: str
    approved: bool
    reason: str
    time: datetime
    groups: tuple[str, ...] = ()


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
    answers: tuple[Answer, ...] = ()

    @property
    def approvers(self) -> tuple[str, ...]:
        """Names of those who agreed."""
        return tuple(answer.approver for answer in self.answers if answer.approved)


def decide(
    approval: Approval, principal: Principal, *, approve: bool, reason: str, shown_digest: str, now: datetime
) -> Approval:
    """The approval with the answer taken in; raises AmasError when the answer does not count.

    One rejection rejects; approvals approve when there are as many as the quorum.
    """
    if approval.state is ApprovalState.OPENING:
        raise refused("APPROVAL_NOT_READY", "the approval's request is not on the record yet; ask again")
    if approval.state is ApprovalState.EXPIRED or (
        approval.state is ApprovalState.PENDING and now >= approval.expires_at
    ):
        raise refused("APPROVAL_EXPIRED", "the approval expired, which is a denial")
    if approval.state is ApprovalState.CANCELLED:
        raise refused("APPROVAL_CANCELLED", "the run was cancelled")
    if approval.state is not ApprovalState.PENDING:
        raise refused("APPROVAL_ALREADY_DECIDED", f"the approval is {approval.state} already")
    if shown_digest != approval.action_digest:
        raise refused("ACTION_DIGEST_MISMATCH", "the action that was shown is not the one that is asked about")
    counted = eligible_groups(approval.requirement, principal)
    if not counted:
        raise _denied("APPROVER_NOT_ELIGIBLE", "the approver is in none of the groups that may answer")
    if approve and approval.requirement.four_eyes and principal.subject == approval.requester:
        raise _denied("FOUR_EYES_REQUIRED", "who asked for the run cannot approve its actions")
    if any(answer.approver == principal.subject for answer in approval.answers):
        raise refused("APPROVAL_ALREADY_ANSWERED", "the approver has answered already")
    answers = (*approval.answers, Answer(principal.subject, approve, reason, now, counted))
    agreed = sum(answer.approved for answer in answers)
    state = ApprovalState.PENDING
    if not approve:
        state = ApprovalState.REJECTED
    elif agreed >= approval.requirement.quorum:
        state = ApprovalState.APPROVED
    return replace(approval, answers=answers, state=state)


def eligible_groups(requirement: Requirement, principal: Principal) -> tuple[str, ...]:
    """The groups that let the principal answer; empty when it may not."""
    groups = set(principal.groups)
    if ADMINISTRATOR_ROLE in principal.roles:
        groups.add(ADMINISTRATORS)
    return tuple(group for group in requirement.groups if group in groups)


def _denied(reason: str, message: str) -> AmasError:
    return AmasError(ErrorKind.PERMISSION_DENIED, reason, message)
