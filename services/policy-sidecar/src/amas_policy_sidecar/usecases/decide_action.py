"""Decide without doing anything: a dry run for tools, and the decision itself for models.

Not recorded here: a dry run changes nothing, and the service that calls the model records what it was answered.
"""

from __future__ import annotations

import uuid

from amas_governance.bundle import Bundle

from amas_policy_sidecar.domain.case import Case
from amas_policy_sidecar.domain.contract import Contract, resolve_contract
from amas_policy_sidecar.domain.data_flow import check_clearance
from amas_policy_sidecar.domain.errors import Denied
from amas_policy_sidecar.domain.model import ActionContext, Decision, Effect, ModelAction, ToolAction
from amas_policy_sidecar.domain.policy_document import Verdict, model_document
from amas_policy_sidecar.domain.quota import claim_for
from amas_policy_sidecar.domain.revocations import check_revocations
from amas_policy_sidecar.ports import Bundles, PolicyEngine, Revocations
from amas_policy_sidecar.telemetry import Instruments

from .ask_verdict import ask_verdict
from .judge_action import JudgeAction
from .take_quota import TakeQuota

# Roles of a token that may use a model without a contract.
_DIRECT_ROLES = frozenset({"developer", "platform-admin"})


class DecideAction:
    """Dry runs of tool calls, and decisions about model calls."""

    def __init__(
        self,
        *,
        bundles: Bundles,
        engine: PolicyEngine,
        judge: JudgeAction,
        revocations: Revocations,
        quota: TakeQuota,
        instruments: Instruments,
    ) -> None:
        self._bundles = bundles
        self._engine = engine
        self._judge = judge
        self._revocations = revocations
        self._quota = quota
        self._instruments = instruments

    async def tool(self, context: ActionContext, action: ToolAction) -> Decision:
        """What enforcement would decide now, up to the quota; raises AmasError if a check cannot be made."""
        case = Case(context, action)
        decision = await self._judge(case)
        if decision.effect is not Effect.DENY:
            # A key of its own, that no call has: what would a new call be answered?
            claim = claim_for(case, f"dry-run:{uuid.uuid4()}", repeats=False)
            try:
                await self._quota.peek(case, claim)
            except Denied as denied:
                decision = case.decide(Effect.DENY, denied.reasons)
        self._instruments.decided(decision, "decide_tool")
        return decision

    async def model(self, context: ActionContext, action: ModelAction) -> Decision:
        """Whether the role, or the person without one, may send this context to this route."""
        bundle = self._bundles.get(context.bundle)
        revoked = await self._revocations.current()
        try:
            check_revocations(revoked, context)
            verdict = await self._judge_model(bundle, context, action)
        except Denied as denied:
            decision = _decision(context, Effect.DENY, denied=denied)
        else:
            decision = _decision(context, Effect.ALLOW, verdict=verdict)
        self._instruments.decided(decision, "decide_model")
        return decision

    async def _judge_model(self, bundle: Bundle, context: ActionContext, action: ModelAction) -> Verdict:
        contract = resolve_contract(bundle, context) if context.role else None
        _check_grant(context, contract, action)
        route = bundle.route(action.route)
        if route is None:
            raise Denied("ROUTE_UNKNOWN", f"the bundle has no model route {action.route}")
        clearance = route.spec.clearance
        # What the ai-router replaces does not reach the model, so a label that names it is no hindrance.
        categories = clearance.admitted
        document = model_document(
            context,
            contract,
            action.route,
            {"confidentiality": clearance.confidentiality.label, "categories": sorted(categories)},
        )
        # Nobody approves single model calls: what is not allowed is refused.
        verdict = await ask_verdict(self._engine, bundle, document, unsupported="MODEL_ESCALATION_UNSUPPORTED")
        check_clearance(context.label, clearance.confidentiality, categories, f"model route {action.route}")
        if contract is not None:
            check_clearance(context.label, *contract.clearance, f"role {context.role}")
        return verdict


def _check_grant(context: ActionContext, contract: Contract | None, action: ModelAction) -> None:
    if contract is None:
        if not _DIRECT_ROLES.intersection(context.principal.roles):
            raise Denied("ROLE_MISSING", "the principal has no role that may call a model directly")
    elif contract.acting.spec.model.route != action.route:
        raise Denied("ROUTE_NOT_GRANTED", f"role {context.role} uses another model route than {action.route}")


def _decision(
    context: ActionContext, effect: Effect, *, denied: Denied | None = None, verdict: Verdict | None = None
) -> Decision:
    return Decision(
        id=str(uuid.uuid4()),
        effect=effect,
        bundle=context.bundle,
        action_digest="",
        reasons=denied.reasons if denied is not None else verdict.reasons if verdict is not None else (),
        obligations=() if verdict is None else verdict.obligations,
    )
