"""What stand-ins of the audit service check of events, as it does."""

from __future__ import annotations

import json

from amas.audit.v1 import audit_pb2
from amas_governance.audit_events import misfit_as_sent


def misfit(event: audit_pb2.AuditEvent) -> tuple[str, str] | None:
    """Field and sentence of what does not fit the event's registered type, or None."""
    return misfit_as_sent(event.type, json.loads(event.data_json or "{}"), [one.name for one in event.contents])
