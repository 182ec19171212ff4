"""Looks through the arguments before policy is asked: what is seen in them, and what the contracts say about it.

Policies decide with it, and `check_data` holds to it in the code as well.
"""

from __future__ import annotations

from amas_governance import dlp

from amas_policy_sidecar.domain.arguments import check_arguments
from amas_policy_sidecar.domain.case import Case
from amas_policy_sidecar.domain.errors import Denied
from amas_policy_sidecar.domain.leaving import Leaving, action_of


def inspect_arguments(case: Case) -> None:
    """Fill in what leaves, and the arguments as they may leave; raises Denied for what cannot be looked through."""
    if case.arguments is None or case.schema is None:
        raise RuntimeError("the contract check has not run")
    try:
        sightings = dlp.inspect_value(case.arguments)
    except dlp.ScanRefused as error:
        raise Denied("ARGUMENTS_UNSCANNABLE", f"the arguments cannot be looked through: {error}") from error
    rules = case.grant.leaving
    case.leaving = Leaving(tuple((seen, action_of(rules, seen.detector, seen.category)) for seen in sightings))
    case.delivered = case.leaving.changed(case.arguments, case.token or _redacted)
    if case.delivered is not None:
        # What is put in place of a value must be something that the tool, and each contract, accepts.
        check_arguments(case.delivered, case.schema, case.grant.narrowings)


def _redacted(detector: str, _text: str) -> str:
    """What stands in for a pseudonym where there is no key for one."""
    return f"[redacted:{detector}]"
