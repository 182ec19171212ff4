"""Puts it on record when the policy engine did not decide, so that no fault of it is silent (invariant I2).

To the caller such a fault is an error that may pass: it asks again, and the action does not happen meanwhile. On record
it is a denial with a reason, once for each question and kind of fault. It must never hide the error itself: where audit
does not answer either, the error alone goes to the caller, and the record waits in the outbox.
"""

from __future__ import annotations

import logging
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError

from amas_policy_sidecar.domain.errors import engine_fault
from amas_policy_sidecar.domain.model import ActionContext, Decision, Effect, Event
from amas_policy_sidecar.domain.records import decision_json
from amas_policy_sidecar.ports import AuditLog, EventOutbox

# Faults remembered as recorded; a forgotten one is offered to audit again, which has it.
MAX_REMEMBERED = 4096

_log = logging.getLogger(__name__)


class RecordFault:
    """Faults of the policy engine, by question."""

    def __init__(self, audit: AuditLog, outbox: EventOutbox, clock: Clock) -> None:
        self._audit = audit
        self._outbox = outbox
        self._clock = clock
        self._recorded: OrderedDict[tuple[str, str], None] = OrderedDict()

    async def __call__(
        self,
        kind: str,
        context: ActionContext,
        error: AmasError,
        *,
        question: str,
        action: Mapping[str, Any],
        role_version: str = "",
        fencing_token: int = 0,
    ) -> None:
        """Record `error` if it is a fault of the engine; raises AmasError only if the run belongs to somebody else now.

        `question` names what was asked, the same for each retry.
        """
        reason = engine_fault(error)
        if reason is None:
            return
        event_id = f"policy-fault:{question}:{reason.code}"
        known = (context.principal.tenant, event_id)
        if known in self._recorded:
            return
        decision = Decision(
            id=str(uuid.uuid4()), effect=Effect.DENY, bundle=context.bundle, action_digest="", reasons=(reason,)
        )
        # Without an input: under the same policies the same input may well be allowed once the engine is back.
        data = {"action": dict(action), "decision": decision_json(decision), "input": None, "fault": reason.code}
        event = Event(event_id, kind, self._clock.now(), context, role_version, data)
        try:
            await self._audit.append([event], fencing_token=fencing_token)
        except AmasError as failure:
            if failure.reason == "FENCED":
                raise
            _log.warning("the record of a fault of the policy engine waits", extra={"reason": failure.reason})
            if not self._outbox.put(event):
                return
        self._recorded[known] = None
        while len(self._recorded) > MAX_REMEMBERED:
            self._recorded.popitem(last=False)
