"""A call that is refused before policy is asked: what stands of it in the audit log and in the run's history.

Secrets that a model wrote into it stand in neither.
"""

from __future__ import annotations

from datetime import datetime

from amas_governance.dlp import without_secrets

from .conversation import RefusedCall
from .events import AuditRecord, NewEvent, preview
from .model import Run


def refusal(
    run: Run, path: str, turn: int, role: tuple[str, str], call: RefusedCall, at: datetime
) -> tuple[AuditRecord, NewEvent]:
    """The record and the event of a refused call; `role` is its name and version, `at` the newest checkpoint's time."""
    where = f"{path}/{turn}/{call.index}"
    shown = preview(without_secrets(call.arguments_text))
    reasons = [call.reason.to_dict()]
    data = {"function": call.function, "arguments_preview": shown, "reasons": reasons, "turn": turn}
    record = AuditRecord(f"refused:{run.id}/{where}", "dev.amas.action.denied", at, path, *role, data)
    payload = {
        "tool": call.function,
        "arguments_json": shown,
        "action_digest": "",
        "decision": {
            "id": "",
            "effect": "deny",
            "reasons": reasons,
            "obligations": [],
            "bundle": run.bundle,
            "action_digest": "",
            "requirement": None,
        },
        "result_preview": "",
        "is_error": True,
        "label": None,
        "duration_ms": 0,
    }
    return record, NewEvent(f"{where}/tool", "tool_called", at, payload, path)
