"""The third check: labels against clearances, and what the arguments would carry out."""

from __future__ import annotations

from amas_governance.dlp.actions import Action
from amas_governance.dlp.secrets import SECRET

from amas_policy_sidecar.domain.case import Case
from amas_policy_sidecar.domain.data_flow import check_clearance
from amas_policy_sidecar.domain.errors import Denied


def check_data(case: Case) -> None:
    """Raises Denied if the role may not see its context or the result, or if the arguments hold what may not leave."""
    if case.contract is None or case.arguments is None:
        raise RuntimeError("the contract check has not run")
    level, categories = case.contract.clearance
    check_clearance(case.context.label, level, categories, f"role {case.context.role}")
    check_clearance(case.grant.result_label, level, categories, f"role {case.context.role}")
    if case.grant.clearance is not None:
        check_clearance(case.context.label, *case.grant.clearance, f"tool {case.grant.tool}")
    refuse_denied(case)


def refuse_denied(case: Case) -> None:
    """Raises Denied for what the contracts deny to leave."""
    denied = case.leaving.named(Action.DENY)
    secrets = [name for name in denied if name.startswith(f"{SECRET}/")]
    if secrets:
        raise Denied("SECRET_IN_ARGUMENTS", f"the arguments hold a secret ({', '.join(secrets)})")
    if denied:
        raise Denied("SENSITIVE_ARGUMENTS", f"the arguments hold what may not leave ({', '.join(denied)})")
