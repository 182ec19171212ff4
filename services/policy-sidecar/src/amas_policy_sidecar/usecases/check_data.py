"""The third check: labels against clearances, and what the arguments would carry out."""

from __future__ import annotations

from amas_policy_sidecar.domain.case import Case
from amas_policy_sidecar.domain.data_flow import check_clearance, scan_arguments
from amas_policy_sidecar.domain.errors import Denied


def check_data(case: Case) -> None:
    """Raises Denied if the role may not see its context or the result, or if the arguments hold a secret."""
    if case.contract is None or case.arguments is None:
        raise RuntimeError("the contract check has not run")
    level, categories = case.contract.clearance
    check_clearance(case.context.label, level, categories, f"role {case.context.role}")
    check_clearance(case.grant.result_label, level, categories, f"role {case.context.role}")
    try:
        case.findings = scan_arguments(case.arguments)
    except Denied:
        case.holds_secret = True
        raise
