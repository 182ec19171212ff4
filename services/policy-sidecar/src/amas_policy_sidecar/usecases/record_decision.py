"""Put a decision on record that is no tool call's: who handed a sub-task to whom, who administered what (invariant I2).

What cannot be recorded is an error for the caller, and then what was decided must not happen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amas_chassis.clock import Clock

from amas_policy_sidecar.domain.model import ActionContext, Decision, Event
from amas_policy_sidecar.domain.records import decision_json
from amas_policy_sidecar.ports import AuditLog


class RecordDecision:
    """Records allowances and denials alike."""

    def __init__(self, audit: AuditLog, clock: Clock) -> None:
        self._audit = audit
        self._clock = clock

    async def __call__(
        self,
        kind: str,
        context: ActionContext,
        decision: Decision,
        *,
        action: Mapping[str, Any],
        policy_input: Mapping[str, Any] | None,
        role_version: str = "",
        fencing_token: int = 0,
    ) -> None:
        """Returns once the log has it; `policy_input` is None where a check had refused before policy was asked."""
        event = Event(
            id=f"decision:{decision.id}",
            type=kind,
            time=self._clock.now(),
            context=context,
            role_version=role_version,
            data={"action": dict(action), "decision": decision_json(decision), "input": policy_input},
        )
        await self._audit.append([event], fencing_token=fencing_token)
