"""What of a submission can be made ready before its turn, while the group before is being written."""

from __future__ import annotations

from dataclasses import replace

from amas_audit.domain.facets import describe
from amas_audit.domain.leaf import outline
from amas_audit.domain.model import Prepared, Submission


def prepare(submission: Submission) -> Submission:
    """The submission with its events prepared; one that is prepared already as it is."""
    if submission.prepared:
        return submission
    source = submission.source
    made = tuple(Prepared(describe(event, source), *outline(event, source)) for event in submission.events)
    return replace(submission, prepared=made)
