"""How a replay ends early, and what it says about itself: differences, and places where the record has an end."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from typing import Any


class RecordEnds(BaseException):
    """The record holds no answer for this place. A BaseException: no use case takes it for a failure of its own."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")
        self.where, self.why = where, why


class Reached(BaseException):
    """The replay has come to where it was to stop."""


@dataclass(frozen=True)
class Difference:
    """One thing that came out otherwise than it was recorded."""

    kind: str
    """`decision`, `question`, `request`, `event`, `order`, or `missing`."""
    where: str
    recorded: Any
    replayed: Any

    def diff(self) -> list[str]:
        """Both as JSON texts, line by line, what is the same left out but for its surroundings."""
        before, after = _lines(self.recorded), _lines(self.replayed)
        return list(difflib.unified_diff(before, after, "recorded", "replayed", lineterm="", n=2))

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "where": self.where, "recorded": self.recorded, "replayed": self.replayed}


def _lines(value: Any) -> list[str]:
    if isinstance(value, str):
        return value.splitlines()
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False).splitlines()
