"""Who must answer an approval: which groups, from when on, how many people, until when.

What counts is the time that an approval has waited, not whether somebody was told: a reminder that comes late takes
nobody's right, and gives none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amas_governance.resources import ApprovalRequirement

from .model import Json

ADMINISTRATORS = "platform-admins"
"""Group that answers where no contract names one: unknown outcomes and bounds. The role `platform-admin` is in it."""


@dataclass(frozen=True)
class EscalationRule:
    """Who may answer too, once an approval has waited for `after` seconds."""

    after: float
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Requirement:
    """Who must answer, how many of them. Times are in seconds since the asking; `remind_after` None: never."""

    groups: tuple[str, ...]
    quorum: int
    four_eyes: bool
    expires_in: float
    remind_after: float | None = None
    escalate: tuple[EscalationRule, ...] = ()

    def groups_after(self, waited: float) -> tuple[str, ...]:
        """The groups that may answer once the approval has waited for so many seconds."""
        later = (group for rule in self.escalate if waited >= rule.after for group in rule.groups)
        return (*self.groups, *later)

    def to_dict(self) -> Json:
        """Plain JSON form."""
        return {
            "from": list(self.groups),
            "quorum": self.quorum,
            "four_eyes": self.four_eyes,
            "expires_in": self.expires_in,
            "remind_after": self.remind_after,
            "escalate": [{"after": rule.after, "to": list(rule.groups)} for rule in self.escalate],
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Requirement:
        """The requirement of `to_dict`."""
        remind_after = value["remind_after"]
        return cls(
            groups=tuple(value["from"]),
            quorum=int(value["quorum"]),
            four_eyes=bool(value["four_eyes"]),
            expires_in=float(value["expires_in"]),
            remind_after=None if remind_after is None else float(remind_after),
            escalate=tuple(EscalationRule(float(rule["after"]), tuple(rule["to"])) for rule in value["escalate"]),
        )

    @classmethod
    def of(cls, requirement: ApprovalRequirement | None) -> Requirement:
        """The requirement that a contract states, or the administrators where it states none."""
        if requirement is None:
            return cls((ADMINISTRATORS,), 1, True, 3600.0)
        return cls(
            groups=requirement.from_,
            quorum=requirement.quorum,
            four_eyes=requirement.four_eyes,
            expires_in=requirement.expires_in,
            remind_after=requirement.remind_after,
            escalate=tuple(EscalationRule(rule.after, rule.to) for rule in requirement.escalate),
        )
