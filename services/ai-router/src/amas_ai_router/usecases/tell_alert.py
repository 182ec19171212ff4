"""Tells that a share of a budget was reached: a line in the log, a metric, and an audit event. It holds no call up."""

from __future__ import annotations

import logging

from amas_chassis.clock import Clock

from amas_ai_router.domain.budgets import BudgetAlert
from amas_ai_router.domain.records import BUDGET_ALERT, alert_data, alert_id, make_event
from amas_ai_router.ports import EventOutbox
from amas_ai_router.telemetry import RouterTelemetry

_log = logging.getLogger(__name__)


class TellAlert:
    """Called once over all routers for each share, window and subject."""

    def __init__(self, outbox: EventOutbox, telemetry: RouterTelemetry, clock: Clock) -> None:
        self._outbox = outbox
        self._telemetry = telemetry
        self._clock = clock

    def run(self, alert: BudgetAlert) -> None:
        """Returns at once; the event waits in the outbox until audit has it."""
        _log.warning(
            "a budget is used to an alerting share",
            extra={"budget": alert.rule.name, "subject": alert.subject, "share": alert.share},
        )
        self._telemetry.alerted(alert.context.principal.tenant, alert.rule.name)
        now = self._clock.now()
        event = make_event(
            alert_id(), BUDGET_ALERT, alert.context, "", now, self._telemetry.trace_ids(), alert_data(alert)
        )
        self._outbox.put(event)
