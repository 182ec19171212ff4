"""What is told about an approval that waits: a reminder, and that more groups may answer.

Planned once, when the approval is asked, so that each notice has an id and a time that no crash changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from .approvals import Approval
from .events import AuditRecord, NewEvent


class NoticeKind(StrEnum):
    """What is told."""

    REMINDED = "reminded"
    ESCALATED = "escalated"


@dataclass(frozen=True)
class Notice:
    """One notice of one approval. `groups` are those that are told: who may answer, or who may from now on too."""

    approval_id: str
    kind: NoticeKind
    number: int
    due_at: datetime
    groups: tuple[str, ...]

    @property
    def id(self) -> str:
        """The same however often it is told."""
        return f"approval-{self.kind}:{self.approval_id}/{self.number}"


def planned(approval: Approval) -> tuple[Notice, ...]:
    """All notices that the approval's requirement asks for, in no order."""
    requirement = approval.requirement
    found = [
        Notice(approval.id, NoticeKind.ESCALATED, number, _after(approval, rule.after), rule.groups)
        for number, rule in enumerate(requirement.escalate, 1)
    ]
    after = requirement.remind_after
    if after is not None:
        groups = requirement.groups_after(after)
        found.append(Notice(approval.id, NoticeKind.REMINDED, 1, _after(approval, after), groups))
    return tuple(found)


def notice_record(approval: Approval, notice: Notice) -> AuditRecord:
    """`dev.amas.approval.reminded` or `.escalated`: at the time when it was due, whenever it is written."""
    data = {
        "approval_id": approval.id,
        "tool": approval.tool,
        "action_digest": approval.action_digest,
        "groups": list(notice.groups),
        "number": notice.number,
        "expires_at": approval.expires_at.isoformat(),
    }
    kind = f"dev.amas.approval.{notice.kind}"
    return AuditRecord(notice.id, kind, notice.due_at, approval.step, approval.role, "", data)


def notice_event(approval: Approval, notice: Notice) -> NewEvent:
    """The run event that says the same."""
    payload = {"approval_id": approval.id, "groups": list(notice.groups)}
    key = f"approval/{approval.id}/{notice.kind}/{notice.number}"
    return NewEvent(key, f"approval_{notice.kind}", notice.due_at, payload, approval.step)


def _after(approval: Approval, seconds: float) -> datetime:
    return approval.requested_at + timedelta(seconds=seconds)
