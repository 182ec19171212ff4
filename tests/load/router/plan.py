"""What the load generator is told and what it says: plain data, one JSON line each way."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Literal

Mode = Literal["open", "closed", "idle"]


@dataclass(frozen=True)
class Endpoint:
    """Where a system under test takes chat completions. Headers carry its token, so this is never printed."""

    port: int
    path: str = "/v1/chat/completions"
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    model: str = "scripted"


@dataclass(frozen=True)
class Plan:
    """One stretch of load."""

    endpoint: Endpoint
    mode: Mode
    seconds: float
    size: int = 1024
    """Bytes of a request's body."""
    stream: bool = False
    rate: float = 0.0
    """Requests a second (open), or streams begun a second (idle)."""
    connections: int = 50
    """How many ask at once (closed), how many there may be (open), how many streams are held (idle)."""

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """The plan of a line."""
        raw = json.loads(text)
        return cls(**{**raw, "endpoint": Endpoint(**raw["endpoint"])})


@dataclass(frozen=True)
class Outcome:
    """What came of it. Times are in milliseconds; those of an open loop count from when a request was due."""

    seconds: float
    """From the first request to the last answer."""
    firsts: list[float]
    """Until the first byte of the answer's body."""
    totals: list[float]
    """Until the last byte."""
    failures: int
    examples: list[str]
    """Some of the failures in words."""

    @property
    def answered(self) -> int:
        """Requests that were answered as wanted."""
        return len(self.totals)

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Outcome:
        """The outcome of a line."""
        return cls(**json.loads(text))
