"""What leaves in the arguments of a call: what was seen in them, and what the contracts say is done about it.

Findings are told by detector and count, never by what was found. Of several roles in a chain the strictest word counts.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from amas_governance.dlp import Sighting, replace_sightings
from amas_governance.dlp.actions import Action, strictest
from amas_governance.dlp.secrets import SECRET
from amas_governance.resources import DlpRules

Token = Callable[[str, str], str]
"""Makes the pseudonym of a value, given its detector."""
# Where neither grant nor role says anything, and the role is not cleared for the category.
_UNSAID = {SECRET: Action.DENY, "pci": Action.DENY, "phi": Action.HOLD, "pii": Action.ALLOW}


@dataclass(frozen=True)
class RoleRules:
    """What one role of a chain says: in its grant of the tool, in general, and by what it may see."""

    grant: DlpRules
    role: DlpRules
    cleared: frozenset[str]

    def action(self, detector: str, category: str) -> Action:
        """The action for one finding."""
        said = self.grant.action(detector, category) or self.role.action(detector, category)
        if said is not None:
            return said
        # Nobody is cleared for secrets by a category alone: credentials go in at the edge, never in arguments.
        return Action.ALLOW if category in self.cleared - {SECRET} else _UNSAID[category]


def action_of(rules: Sequence[RoleRules], detector: str, category: str) -> Action:
    """The strictest word of a chain about one finding."""
    return strictest(rule.action(detector, category) for rule in rules)


@dataclass(frozen=True)
class Leaving:
    """What was seen in the arguments, each with what is done about it."""

    judged: tuple[tuple[Sighting, Action], ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How often each detector fired, as `category/detector`."""
        return dict(collections.Counter(_name(sighting) for sighting, _ in self.judged))

    @property
    def hidden(self) -> list[Sighting]:
        """What no record holds: secrets, and what is not allowed to leave as it is."""
        open_ = (Action.ALLOW, Action.HOLD)
        return [seen for seen, action in self.judged if seen.category == SECRET or action not in open_]

    def named(self, *actions: Action) -> list[str]:
        """`category/detector` of what meets one of these actions, sorted, each once."""
        return sorted({_name(sighting) for sighting, action in self.judged if action in actions})

    def to_dict(self) -> dict[str, Any]:
        """What policies see."""
        return {
            "denied": self.named(Action.DENY),
            "held": self.named(Action.HOLD),
            "changed": self.named(Action.REDACT, Action.PSEUDONYMISE),
        }

    def changed(self, value: Any, token: Token) -> Any | None:
        """The JSON value as it may leave, None if as it is; `token` makes pseudonyms."""
        replaced = {id(seen): action for seen, action in self.judged if action in (Action.REDACT, Action.PSEUDONYMISE)}
        if not replaced:
            return None

        def make(sighting: Sighting, text: str) -> str:
            if replaced[id(sighting)] is Action.PSEUDONYMISE:
                return token(sighting.detector, text)
            return f"[redacted:{sighting.detector}]"

        sightings = [seen for seen, _ in self.judged if id(seen) in replaced]
        return replace_sightings(value, sightings, make)


def _name(sighting: Sighting) -> str:
    return f"{sighting.category}/{sighting.detector}"
