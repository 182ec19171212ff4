"""Decide whether a principal may do an act of administration, and put the decision on record.

The gateway has checked its own table of roles before; what is decided here is the tenant's own policy.
"""

from __future__ import annotations

import uuid
from dataclasses import replace

from amas_governance.canonical import digest

from amas_policy_sidecar.domain.errors import Denied
from amas_policy_sidecar.domain.model import ActionContext, AdminAction, Decision, Effect
from amas_policy_sidecar.domain.policy_document import admin_document
from amas_policy_sidecar.domain.records import ADMINISTRATION
from amas_policy_sidecar.ports import Bundles, PolicyEngine
from amas_policy_sidecar.telemetry import Instruments

from .ask_verdict import ask_verdict
from .record_decision import RecordDecision


class DecideAdministration:
    """Decisions about administration."""

    def __init__(
        self, bundles: Bundles, engine: PolicyEngine, record: RecordDecision, instruments: Instruments
    ) -> None:
        self._bundles = bundles
        self._engine = engine
        self._record = record
        self._instruments = instruments

    async def __call__(self, context: ActionContext, action: AdminAction) -> Decision:
        """The recorded decision, allow or deny; raises AmasError if it cannot be made or recorded."""
        bundle = self._bundles.get(context.bundle)
        document = admin_document(context, action)
        decision = Decision(
            id=str(uuid.uuid4()),
            effect=Effect.ALLOW,
            bundle=context.bundle,
            action_digest=digest({"tenant": context.principal.tenant, **document["action"]}),
        )
        try:
            verdict = await ask_verdict(self._engine, bundle, document, unsupported="ADMIN_ESCALATION_UNSUPPORTED")
        except Denied as denied:
            decision = replace(decision, effect=Effect.DENY, reasons=denied.reasons)
        else:
            decision = replace(decision, reasons=verdict.reasons, obligations=verdict.obligations)
        await self._record(
            ADMINISTRATION,
            context,
            decision,
            action={**document["action"], "digest": decision.action_digest},
            policy_input=document,
        )
        self._instruments.decided(decision, "decide_administration")
        return decision
