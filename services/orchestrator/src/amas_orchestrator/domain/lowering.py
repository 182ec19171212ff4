"""What lowers the label of an output: a constrained extraction that holds, or people who declassify that very value.

An extraction lowers integrity alone, only for a role whose contract says so, and only where schema and value bear it
out. Each time is an audit record. What a model says of itself is not asked.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from amas_governance.canonical import digest
from amas_governance.extraction import breaches, check_constrained
from amas_governance.labels import Integrity, Label
from amas_governance.provenance import TrustedValues
from amas_governance.resources import AgentRole

from .events import AuditRecord
from .model import Json, Run

LOWERED = "dev.amas.label.lowered"


def not_extracted(role: AgentRole, output: Any, label: Label, trusted: TrustedValues) -> str:
    """What keeps an output from being the extraction that the contract promises; empty if nothing does."""
    if not lowers(role, label):
        return ""
    return "; ".join(breaches(role.spec.output.schema_, output, trusted)[:5])


def lowers(role: AgentRole, label: Label) -> bool:
    """Whether the role's output is to be trusted although its context is not."""
    return role.spec.data.extraction is not None and label.integrity is Integrity.UNTRUSTED


def extracted(label: Label) -> Label:
    """The label of an extraction: as confidential as what it was taken from, and trusted."""
    return replace(label, integrity=Integrity.TRUSTED)


def extraction(run: Run, role: AgentRole, path: str, at: datetime, label: Label, output: Any) -> AuditRecord:
    """That an extraction lowered a label: of which value, and how much the value could carry."""
    schema = role.spec.output.schema_
    more = {"schemaDigest": digest(schema), "bits": round(check_constrained(schema))}
    return _record(run, role, path, at, label, extracted(label), output, {"by": "constrainedExtraction", **more})


def declassified(
    run: Run, role: AgentRole, path: str, at: datetime, labels: tuple[Label, Label], output: Any, more: Json
) -> AuditRecord:
    """That people lowered a label (`labels`: from, to): of which value, by which approval, and why."""
    return _record(run, role, path, at, *labels, output, {"by": "declassification", **more})


def _record(
    run: Run, role: AgentRole, path: str, at: datetime, before: Label, after: Label, output: Any, more: Json
) -> AuditRecord:
    data = {"from": before.to_dict(), "to": after.to_dict(), "valueDigest": digest(output), **more}
    name, version = role.metadata.name, role.spec.version
    return AuditRecord(f"label-lowered:{run.id}/{path}/{more['by']}", LOWERED, at, path, name, version, data)
