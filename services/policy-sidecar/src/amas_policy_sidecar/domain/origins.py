"""Where the values of a call stem from: which sensitive arguments are trusted values, and whether its answer is.

The trusted values are the orchestrator's word, as the label of the context is; a model's word is nowhere in here.
"""

from __future__ import annotations

from collections.abc import Sequence

from amas_governance.labels import Integrity
from amas_governance.sensitive import SensitiveArgument, judge_arguments

from .case import Case


def sensitive_arguments(case: Case) -> list[SensitiveArgument]:
    """The sensitive arguments of the call, as its ToolServer declares them, each traced or not."""
    return _judged(case, case.grant.sensitive)


def result_trusted(case: Case) -> bool:
    """Whether the contract vouches for the tool, and nothing untrusted chose what it was asked."""
    if case.grant.result_label.integrity is not Integrity.TRUSTED:
        return False
    return all(argument.trusted for argument in _judged(case, None))


def _judged(case: Case, declared: Sequence[str] | None) -> list[SensitiveArgument]:
    if case.proposed is None or case.schema is None:
        raise RuntimeError("the contract check has not run")
    untainted = case.context.label.integrity is Integrity.TRUSTED
    return judge_arguments(
        # Pseudonyms as they came: trusted values carry them too, and one stands for one value.
        case.proposed,
        declared=declared,
        schema=case.schema,
        narrowings=case.grant.narrowings,
        trusted=None if untainted else case.context.trusted,
    )
