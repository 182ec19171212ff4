"""Puts it on record when a call is sent back to wait for a quota: once for each call and bound, however often it asks.

To the caller it is an error that passes; on record it is a denial with the bound's name, what is left and when it
renews. It must never hide the error: where audit does not answer, the error alone goes to the caller.
"""

from __future__ import annotations

import logging
from collections import OrderedDict

from amas_chassis.errors import AmasError

from amas_policy_sidecar.domain.case import Case
from amas_policy_sidecar.domain.model import Effect, EnforceCommand, Reason

from .record_action import RecordAction

# Waits remembered as recorded; a forgotten one is offered to audit again, which has it.
MAX_REMEMBERED = 4096

_log = logging.getLogger(__name__)


class RecordWaiting:
    """Waits for quotas, by call."""

    def __init__(self, record: RecordAction) -> None:
        self._record = record
        self._recorded: OrderedDict[tuple[str, str], None] = OrderedDict()

    async def __call__(self, case: Case, command: EnforceCommand, error: AmasError) -> None:
        """Record the refusal that the case holds; raises AmasError only if the run belongs to somebody else now."""
        if case.quota is None:
            return
        bound = f"{case.quota['declaredBy']}:{case.quota['quota']}:{case.quota['amount']}"
        event_id = f"quota-wait:{command.idempotency_key}:{bound}"
        known = (case.context.principal.tenant, event_id)
        if known in self._recorded:
            return
        decision = case.decide(Effect.DENY, (Reason(error.reason, error.message),))
        try:
            await self._record.refusal(case, decision, command, event_id)
        except AmasError as failure:
            if failure.reason == "FENCED":
                raise
            _log.warning("a wait for a quota is not on record", extra={"reason": failure.reason})
            return
        self._recorded[known] = None
        while len(self._recorded) > MAX_REMEMBERED:
            self._recorded.popitem(last=False)
