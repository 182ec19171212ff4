"""The record of an action: its refusal, or its intent before and its outcome after the call (invariant I2).

Nothing here is best-effort: what cannot be recorded is an error for the caller, and then the action does not happen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amas_chassis.clock import Clock

from amas_policy_sidecar.domain.approvals import refuse_expired
from amas_policy_sidecar.domain.case import Case
from amas_policy_sidecar.domain.errors import Denied, key_reused
from amas_policy_sidecar.domain.model import Decision, Effect, EnforceCommand, Event
from amas_policy_sidecar.domain.records import (
    APPROVAL_USED,
    DENIED,
    ESCALATED,
    INTENT,
    OUTCOME,
    approval_used_data,
    approval_used_id,
    decision_data,
    intent_id,
    outcome_id,
)
from amas_policy_sidecar.ports import AuditLog


@dataclass(frozen=True)
class Standing:
    """What the log holds of an idempotency key. `ours` says that the intent is of this attempt."""

    ours: bool
    outcome: Mapping[str, Any] | None = None


class RecordAction:
    """Writes and reads the events of one action."""

    def __init__(self, audit: AuditLog, clock: Clock) -> None:
        self._audit = audit
        self._clock = clock

    async def refusal(self, case: Case, decision: Decision, command: EnforceCommand, event_id: str = "") -> None:
        """Record a denial or an escalation; under an id of the caller's it stands in the log once."""
        kind = DENIED if decision.effect is Effect.DENY else ESCALATED
        data = decision_data(case, decision, command.idempotency_key)
        event = self._event(case, event_id or f"decision:{decision.id}", kind, data)
        await self._audit.append([event], fencing_token=command.fencing_token)

    async def intent(self, case: Case, decision: Decision, command: EnforceCommand, attempt: str) -> Standing:
        """Record the intent, and the use of the approval with it: both, or neither.

        Raises Denied if the approval was used for something else or has expired, AmasError FENCED or
        IDEMPOTENCY_KEY_REUSED.
        """
        key = command.idempotency_key
        data = {**decision_data(case, decision, key), "attempt": attempt}
        events = [self._event(case, intent_id(key), INTENT, data)]
        if case.approval is not None:
            # A place at the tool may have been waited for: what has expired meanwhile is not used.
            refuse_expired(case.approval, self._clock.now())
            used = approval_used_id(case.approval.approval_id)
            events.insert(0, self._event(case, used, APPROVAL_USED, approval_used_data(case, key)))
        answer = await self._audit.append(events, fencing_token=command.fencing_token)
        if answer.recorded and not answer.duplicate:
            return Standing(ours=True)
        standing = await self.standing(case, command, attempt)
        if standing is None:
            # An id is taken by an event that this tenant has not: nothing that we may act on.
            raise key_reused()
        return standing

    async def standing(self, case: Case, command: EnforceCommand, attempt: str) -> Standing | None:
        """What the log holds of the key, or None if it has no intent yet.

        Raises Denied if the approval was used under another key, AmasError if the key was used for another action.
        """
        key = command.idempotency_key
        ids = [intent_id(key), outcome_id(key)]
        if case.approval is not None:
            ids.append(approval_used_id(case.approval.approval_id))
        found = await self._audit.find(case.context.principal.tenant, ids)
        if case.approval is not None:
            used = found.get(approval_used_id(case.approval.approval_id))
            if used is not None and used.get("idempotencyKey") != key:
                raise Denied("APPROVAL_ALREADY_USED", "the approval was used before")
        intent = found.get(intent_id(key))
        if intent is None:
            return None
        if _action_of(intent).get("digest") != case.digest:
            raise key_reused()
        return Standing(ours=intent.get("attempt") == attempt, outcome=found.get(outcome_id(key)))

    async def outcome(self, case: Case, key: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Record the outcome, and return the one that stands: an earlier one wins.

        Without a fencing token: what has happened must be on the record, also when another executor went on.
        """
        event = self._event(case, outcome_id(key), OUTCOME, data)
        answer = await self._audit.append([event])
        if answer.recorded:
            return data
        found = await self._audit.find(case.context.principal.tenant, [outcome_id(key)])
        standing = found.get(outcome_id(key))
        if standing is None:
            raise key_reused()
        return standing

    def _event(self, case: Case, event_id: str, kind: str, data: Mapping[str, Any]) -> Event:
        return Event(
            id=event_id,
            type=kind,
            time=self._clock.now(),
            context=case.context,
            role_version=case.role_version,
            data=data,
        )


def _action_of(data: Mapping[str, Any]) -> Mapping[str, Any]:
    action = data.get("action")
    return action if isinstance(action, Mapping) else {}
