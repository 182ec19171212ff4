"""The second check: what policy says, and whether an approval answers an escalation.

The requirement that an approval is held against is the one that policy states now, not one that the approval
brings along.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amas_chassis.clock import Clock

from amas_policy_sidecar.domain.approvals import verify_approval
from amas_policy_sidecar.domain.case import Case
from amas_policy_sidecar.domain.errors import Denied
from amas_policy_sidecar.domain.model import Effect
from amas_policy_sidecar.domain.origins import sensitive_arguments
from amas_policy_sidecar.domain.policy_document import Verdict, tool_document
from amas_policy_sidecar.ports import PolicyEngine


async def consult_policy(case: Case, engine: PolicyEngine, clock: Clock) -> Verdict:
    """The verdict: allow or escalate; raises Denied for a denial or an answer that cannot be used."""
    verdict = await _ask(case, engine, approval=None)
    if case.approval is None:
        return verdict
    verify_approval(
        case.approval,
        context=case.context,
        action_digest=case.digest,
        requirement=verdict.approval,
        now=clock.now(),
    )
    if verdict.effect is Effect.ALLOW:
        return verdict
    answered = await _ask(
        case,
        engine,
        approval={
            "id": case.approval.approval_id,
            "approvers": sorted(case.approval.approvers),
            "requester": case.approval.requester,
            "valid": True,
        },
    )
    if answered.effect is not Effect.ALLOW:
        raise Denied("APPROVAL_INSUFFICIENT", "policy does not let this approval decide")
    return answered


async def _ask(case: Case, engine: PolicyEngine, *, approval: Mapping[str, Any] | None) -> Verdict:
    if case.contract is None or case.arguments is None:
        raise RuntimeError("the contract check has not run")
    sensitive = sensitive_arguments(case)
    document = tool_document(
        case.context, case.contract, case.grant, case.arguments, sensitive, case.leaving, approval, case.autonomy
    )
    case.policy_input = document
    verdict = Verdict(await engine.decide(case.context.bundle, document))
    case.obligations = verdict.obligations
    if verdict.effect is Effect.DENY:
        raise Denied.of(verdict.reasons)
    return verdict
