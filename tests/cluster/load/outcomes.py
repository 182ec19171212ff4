"""What became of each request of a load, and the numbers that a summary tells of them."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RUN, CHAT, STREAM, READ = "run", "chat", "stream", "read"
SUCCEEDED = "RUN_STATE_SUCCEEDED"


@dataclass(frozen=True)
class Outcome:
    """One request from its first byte to its end, as its client saw it."""

    kind: str
    begun: float
    """Seconds after the load began."""
    seconds: float
    """Until its answer; of a run until it was accepted."""
    error: str = ""
    run: str = ""
    state: str = ""
    """Of a run: the state that it ended in."""
    run_seconds: float = 0.0
    resumes: int = 0
    """How often the stream of a run's events was cut, and taken up again behind the last event."""


@dataclass
class Report:
    """Everything that one load brought."""

    outcomes: list[Outcome] = field(default_factory=list)
    skipped: int = 0
    """Begun by nobody, since too many were in flight."""
    seconds: float = 0.0
    begun_at: float = 0.0
    """Seconds since 1970."""

    def of(self, kind: str) -> list[Outcome]:
        """The requests of a kind."""
        return [one for one in self.outcomes if one.kind == kind]

    @property
    def failed(self) -> list[Outcome]:
        """Requests that were not answered as they should, and runs that did not end well."""
        return [one for one in self.outcomes if one.error or (one.kind == RUN and one.state != SUCCEEDED)]

    @property
    def runs(self) -> list[str]:
        """Ids of the accepted runs."""
        return [one.run for one in self.outcomes if one.run]

    def numbers(self) -> dict[str, Any]:
        """Counts, and latencies in seconds."""
        found: dict[str, Any] = {"requests": len(self.outcomes), "failed": len(self.failed), "skipped": self.skipped}
        for kind in (RUN, CHAT, STREAM, READ):
            seconds = [one.seconds for one in self.of(kind) if not one.error]
            found[kind] = {"count": len(self.of(kind)), "p50": share(seconds, 0.5), "p95": share(seconds, 0.95)}
        ran = [one.run_seconds for one in self.of(RUN) if one.state == SUCCEEDED]
        found[RUN] |= {"ended_p50": share(ran, 0.5), "ended_p95": share(ran, 0.95)}
        found["resumed_watches"] = sum(one.resumes for one in self.outcomes)
        found["seconds"] = round(self.seconds, 1)
        return found

    def errors(self) -> dict[str, int]:
        """How often each error was seen."""
        return dict(Counter(f"{one.kind}: {one.error or one.state}"[:300] for one in self.failed).most_common(20))

    def write(self, path: Path) -> None:
        """Writes one line a request."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(dataclasses.asdict(one)) + "\n" for one in self.outcomes))


def share(seconds: list[float], wanted: float) -> float | None:
    """The value below which this share lies (nearest rank); None of nothing."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    return round(ordered[min(len(ordered) - 1, int(wanted * len(ordered)))], 3)
