"""The checks that do nothing to the world, in their order: contract with revocations, policy, labels and DLP.

Enforcing and dry runs share it, so that a dry run cannot say anything else than enforcement would.
"""

from __future__ import annotations

from amas_chassis.clock import Clock
from amas_governance.dlp.pseudonyms import RunPseudonyms

from amas_policy_sidecar.domain.case import Case
from amas_policy_sidecar.domain.errors import Denied
from amas_policy_sidecar.domain.model import ActionContext, Decision, Effect
from amas_policy_sidecar.domain.revocations import approver_refused, without_revoked
from amas_policy_sidecar.ports import Bundles, PolicyEngine, Revocations, ToolServers

from .assess_autonomy import AssessAutonomy
from .check_contract import check_contract
from .check_data import check_data
from .consult_policy import consult_policy
from .inspect_arguments import InspectArguments


class JudgeAction:
    """Decides about one tool call; what it finds out on the way stays in the case."""

    def __init__(
        self,
        bundles: Bundles,
        tools: ToolServers,
        engine: PolicyEngine,
        autonomy: AssessAutonomy,
        revocations: Revocations,
        clock: Clock,
        *,
        secret: bytes | None = None,
    ) -> None:
        """`secret` is what the pseudonyms of all runs derive from; without it there are none."""
        self._bundles = bundles
        self._revocations = revocations
        self._tools = tools
        self._engine = engine
        self._autonomy = autonomy
        self._clock = clock
        self._secret = secret
        self._inspect = InspectArguments()

    async def __call__(self, case: Case) -> Decision:
        """The decision; raises AmasError only if a check could not be made at all (fail closed)."""
        bundle = self._bundles.get(case.context.bundle)
        revoked = await self._revocations.current()
        asked = frozenset(() if case.approval is None else case.approval.approvers)
        try:
            case.pseudonyms = self._pseudonyms(case.context)
            if case.approval is not None:
                case.approval = without_revoked(case.approval, revoked, case.context)
            await check_contract(case, bundle, self._tools, revoked)
            self._inspect(case)
            case.autonomy = await self._autonomy(case)
            # A dictionary look-up, unless the engine has let go of the policies of a bundle that is still at hand.
            await self._engine.load(bundle.digest, bundle.policies)
            verdict = await consult_policy(case, self._engine, self._clock)
            # Also of an escalation: nobody is asked about what would be refused anyway.
            check_data(case)
        except Denied as denied:
            absent = asked.difference(() if case.approval is None else case.approval.approvers)
            if absent:
                denied = approver_refused(sorted(absent), denied.reasons)
            return case.decide(Effect.DENY, denied.reasons)
        return case.decide(verdict.effect, verdict.reasons, verdict.approval)

    def _pseudonyms(self, context: ActionContext) -> RunPseudonyms | None:
        if self._secret is None:
            return None
        return RunPseudonyms(self._secret, context.principal.tenant, context.run_id)
