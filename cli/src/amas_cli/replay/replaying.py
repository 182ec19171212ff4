"""The whole replay of a recorded run: its decisions derived again, its workflow run again, and what differs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from amas_governance.bundle import Bundle

from .decisions import Derivation, EmbeddedEngine, derive, recorded_decisions
from .loading import Loaded
from .outcomes import Difference, RecordEnds
from .recording import Recording
from .running import Rerun, Rerunning


@dataclass
class Replay:
    """What came of it."""

    recording: Recording
    bundle: Bundle
    derivation: Derivation
    rerun: Rerun
    differences: list[Difference] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether the run was run again to the end of its record."""
        return not self.rerun.ends or self.recording.ended is None

    @property
    def identical(self) -> bool:
        """Whether all that was recorded came out again byte for byte."""
        return self.whole and not self.differences

    def to_dict(self) -> dict[str, Any]:
        """For JSON and YAML."""
        derivation, rerun = self.derivation, self.rerun
        return {
            "run": self.recording.run,
            "tenant": self.recording.tenant,
            "bundle": self.bundle.digest,
            "identical": self.identical,
            "decisions": {
                "recorded": len(derivation.derived) + len(derivation.underivable),
                "same": derivation.same,
                "differ": len(derivation.differences),
                "notDerived": [
                    {"event": item.event, "subject": item.subject, "why": item.unusable}
                    for item in derivation.underivable
                ],
                "aboutModels": rerun.model_decisions,
            },
            "events": {"recorded": rerun.events_expected, "same": rerun.events_same},
            "modelCalls": rerun.model_calls,
            "toolCalls": rerun.tool_calls,
            "ends": [{"where": end.where, "why": end.why} for end in rerun.ends],
            "differences": [difference.to_dict() for difference in self.differences],
        }


async def replay_run(loaded: Loaded) -> Replay:
    """Replays a run under the bundle that it was pinned to. Touches no tool, no model and no network."""
    recording, bundle = loaded.recording, loaded.bundle
    derivation = await derive(recorded_decisions(recording), EmbeddedEngine(bundle))
    try:
        rerun = await Rerunning(recording, bundle).run()
    except RecordEnds as end:
        # Not even its beginning can be made from the record.
        rerun = Rerun(ends=[end])
    return Replay(recording, bundle, derivation, rerun, [*derivation.differences, *rerun.differences])
