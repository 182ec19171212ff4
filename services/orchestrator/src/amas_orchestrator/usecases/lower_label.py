"""The label of a step's output, and the two acts that lower it: a constrained extraction, and people who declassify.

A declassification is bound to the exact output: people are shown it, the approval holds its digest, and only then has
it the lower label. Each act is an audit record before anything is done on the strength of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from amas_chassis.clock import Clock
from amas_governance.labels import Integrity, Label
from amas_governance.provenance import TrustedValues
from amas_governance.resources import Declassification

from amas_orchestrator.domain.approvals import ApprovalKind
from amas_orchestrator.domain.lowering import declassified, extracted, extraction, lowers
from amas_orchestrator.domain.model import Json, Reason
from amas_orchestrator.domain.origins import marked
from amas_orchestrator.domain.requirement import Requirement

from .ask_human import AskHuman, open_result
from .step_job import StepProgress, Workplace


@dataclass(frozen=True)
class Made:
    """An output with what it carries."""

    output: Any
    label: Label
    trusted: TrustedValues


class LowerLabel:
    """Labels of outputs."""

    def __init__(self, human: AskHuman, clock: Clock) -> None:
        self._human = human
        self._clock = clock

    def made(self, progress: StepProgress, output: Any) -> Made:
        """The output with its label: the context's, lowered by an extraction, raised by what its schema marks."""
        job, label, trusted = progress.job, progress.label, progress.origins_of(output)
        if lowers(job.role, label):
            progress.pending.records.append(extraction(job.run, job.role, job.path, progress.at, label, output))
            label, trusted = extracted(label), TrustedValues.of(output)
        return Made(output, *marked(job.role.spec.output.schema_, output, label, trusted))

    async def ask(self, progress: StepProgress, place: Workplace, rule: Declassification, made: Made) -> Json:
        """The body of a durable step that asks whether the label of exactly this output may be lowered."""
        approval = await self._human.open(
            progress,
            place,
            ApprovalKind.DECLASSIFICATION,
            ("declassify",),
            tool=f"declassify/{progress.job.role.metadata.name}",
            arguments={
                "value": made.output,
                "from": made.label.to_dict(),
                "to": rule.to.lowered(made.label).to_dict(),
            },
            reasons=(Reason("DECLASSIFICATION", rule.reason),),
            requirement=Requirement.of(rule.approval),
        )
        return open_result("escalated", approval, self._clock)

    def agreed(self, progress: StepProgress, rule: Declassification, made: Made, approval: Json) -> Made:
        """The output with the label that people agreed to; `approval` says which, and who they were."""
        job, label = progress.job, rule.to.lowered(made.label)
        more = {**approval, "reason": rule.reason}
        labels = (made.label, label)
        record = declassified(job.run, job.role, job.path, progress.at, labels, made.output, more)
        progress.pending.records.append(record)
        vouched = label.integrity is Integrity.TRUSTED
        return replace(made, label=label, trusted=TrustedValues.of(made.output) if vouched else made.trusted)
