"""Decide whether a role may hand a sub-task to another: contract of the whole chain, policy, labels and DLP, record.

What the delegate then does is decided again, action by action. A delegation that cannot be judged or recorded does not
happen (fail closed).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from amas_chassis.errors import AmasError
from amas_governance.actions import action_digest
from amas_governance.bundle import Bundle
from amas_governance.canonical import JsonRefused, digest_bytes
from amas_governance.dlp import without_secrets
from amas_governance.revocations import Revoked

from amas_policy_sidecar.domain.arguments import parse_arguments
from amas_policy_sidecar.domain.contract import resolve_contract, resolve_reach
from amas_policy_sidecar.domain.data_flow import check_clearance, refuse_secrets
from amas_policy_sidecar.domain.errors import Denied
from amas_policy_sidecar.domain.model import ActionContext, Decision, DelegateAction, Effect
from amas_policy_sidecar.domain.policy_document import Verdict, delegate_document
from amas_policy_sidecar.domain.records import DELEGATION
from amas_policy_sidecar.domain.revocations import check_revocations
from amas_policy_sidecar.ports import Bundles, PolicyEngine, Revocations
from amas_policy_sidecar.telemetry import Instruments

from .ask_verdict import ask_verdict
from .record_decision import RecordDecision
from .record_fault import RecordFault


@dataclass
class _Found:
    """What the checks have found out so far, for the record."""

    digest: str = ""
    role_version: str = ""
    policy_input: Mapping[str, Any] | None = None


class DecideDelegation:
    """Decisions about sub-tasks."""

    def __init__(
        self,
        bundles: Bundles,
        engine: PolicyEngine,
        revocations: Revocations,
        record: RecordDecision,
        faults: RecordFault,
        instruments: Instruments,
    ) -> None:
        self._bundles = bundles
        self._engine = engine
        self._revocations = revocations
        self._record = record
        self._faults = faults
        self._instruments = instruments

    async def __call__(self, context: ActionContext, action: DelegateAction) -> Decision:
        """The recorded decision, allow or deny; raises AmasError if it cannot be made or recorded."""
        bundle, found = self._bundles.get(context.bundle), _Found()
        revoked = await self._revocations.current()
        decision = Decision(id=str(uuid.uuid4()), effect=Effect.ALLOW, bundle=context.bundle, action_digest="")
        try:
            verdict = await self._judge(bundle, context, action, found, revoked)
        except Denied as denied:
            decision = replace(decision, effect=Effect.DENY, reasons=denied.reasons)
        except AmasError as error:
            await self._faults(
                DELEGATION,
                context,
                error,
                question=found.digest,
                action=_action(action, found),
                role_version=found.role_version,
                fencing_token=action.fencing_token,
            )
            raise
        else:
            decision = replace(decision, reasons=verdict.reasons, obligations=verdict.obligations)
        decision = replace(decision, action_digest=found.digest)
        await self._record(
            DELEGATION,
            context,
            decision,
            action=_action(action, found),
            policy_input=without_secrets(found.policy_input),
            role_version=found.role_version,
            fencing_token=action.fencing_token,
        )
        self._instruments.decided(decision, "decide_delegation")
        return decision

    async def _judge(
        self, bundle: Bundle, context: ActionContext, action: DelegateAction, found: _Found, revoked: Revoked
    ) -> Verdict:
        contract = resolve_contract(bundle, context)
        found.role_version = contract.version
        chain = (*context.delegated_by, context.role)
        extended_context = replace(context, role=action.delegate, delegated_by=chain)
        check_revocations(revoked, extended_context)
        extended = resolve_contract(bundle, extended_context)
        task = parse_arguments(action.arguments_json)
        try:
            found.digest = action_digest(
                tenant=context.principal.tenant,
                run_id=context.run_id,
                step=context.step,
                role=context.role,
                tool=f"delegate/{action.delegate}",
                arguments=task,
            )
        except JsonRefused as error:
            raise Denied("ARGUMENTS_MALFORMED", f"the sub-task has no canonical form: {error}") from error
        document = delegate_document(
            context, contract, action.delegate, extended, resolve_reach(bundle, extended), dict(task)
        )
        found.policy_input = document
        verdict = await ask_verdict(self._engine, bundle, document, unsupported="DELEGATION_ESCALATION_UNSUPPORTED")
        # As for tools: labels and secrets stand in the code as well, so that no policy can lower them.
        check_clearance(context.label, *extended.clearance, f"role {action.delegate}")
        refuse_secrets(task)
        return verdict


def _action(action: DelegateAction, found: _Found) -> dict[str, Any]:
    return {
        "delegate": action.delegate,
        "digest": found.digest,
        "argumentsDigest": digest_bytes(action.arguments_json.encode("utf-8", "replace")),
    }
