"""What is done about a sighting in what leaves."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from .detector import Category
from .detectors import DETECTORS
from .scanning import DEEP


class Action(StrEnum):
    """In the order of strictness. `hold` asks a human; `pseudonymise` puts a token there that only we can undo."""

    ALLOW = "allow"
    PSEUDONYMISE = "pseudonymise"
    REDACT = "redact"
    HOLD = "hold"
    DENY = "deny"


_ORDER = {action: number for number, action in enumerate(Action)}
CATEGORY_OF: dict[str, Category] = {detector.name: detector.category for detector in DEEP}
"""The category of each detector, by name."""
ON_STREAMS = frozenset(detector.name for detector in DETECTORS)
"""Detectors that hold on streams too."""


def strictest(actions: Iterable[Action]) -> Action:
    """The strictest of some actions; `allow` of none."""
    return max(actions, key=_ORDER.__getitem__, default=Action.ALLOW)
