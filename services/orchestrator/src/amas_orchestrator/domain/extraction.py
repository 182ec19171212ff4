"""Constrained extraction in a run: what of a role's output is refused, and the label of one that holds.

Only integrity is lowered, only for a role whose contract says so, and only where schema and value bear it out. Each
time is an audit record. What a model says of itself is not asked.
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
from .model import Run

LOWERED = "dev.amas.label.lowered"


def not_extracted(role: AgentRole, output: Any, label: Label, trusted: TrustedValues) -> str:
    """What keeps an output from being the extraction that the contract promises; empty if nothing does."""
    if not lowers(role, label):
        return ""
    return "; ".join(breaches(role.spec.output.schema_, output, trusted)[:5])


def lowers(role: AgentRole, label: Label) -> bool:
    """Whether the role's output is to be trusted although its context is not."""
    return role.spec.data.extraction is not None and label.integrity is Integrity.UNTRUSTED


def lowered(label: Label) -> Label:
    """The label of an extraction: as confidential as what it was taken from, and trusted."""
    return replace(label, integrity=Integrity.TRUSTED)


def lowered_record(run: Run, role: AgentRole, path: str, at: datetime, label: Label, output: Any) -> AuditRecord:
    """That a label was lowered, of which value, by what, and how much the value could carry."""
    data = {
        "by": "constrainedExtraction",
        "from": label.to_dict(),
        "to": lowered(label).to_dict(),
        "valueDigest": digest(output),
        "schemaDigest": digest(role.spec.output.schema_),
        "bits": round(check_constrained(role.spec.output.schema_)),
    }
    name, version = role.metadata.name, role.spec.version
    return AuditRecord(f"label-lowered:{run.id}/{path}", LOWERED, at, path, name, version, data)
