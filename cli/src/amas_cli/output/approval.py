"""What an approver is shown: the exact action, whole, with its digest and its expiry. Nothing is shortened."""

import json
from datetime import datetime
from typing import Any

from .printable import printable
from .quantities import parse_time, span

KINDS = {
    "action": "May this action be done?",
    "unknown_outcome": "Whether this was done is unknown. Approve: do it again. Reject: go on as if it had failed.",
    "bound": "A bound of the role is reached. Approve: go on. Reject: end the step.",
}


def approval_lines(approval: dict[str, Any], now: datetime) -> list[str]:
    """The whole approval, line by line, safe to print."""
    requirement = approval.get("requirement") or {}
    eyes = ", not by the requester" if requirement.get("four_eyes") else ""
    asked = f"{requirement.get('quorum') or 1} of {', '.join(requirement.get('from') or ['any approver'])}{eyes}"
    facts = (
        ("approval", approval.get("id")),
        ("state", approval.get("state")),
        ("run", f"{approval.get('run_id', '')}, step {approval.get('step', '')}"),
        ("requester", approval.get("requester")),
        ("role", approval.get("role")),
        ("purpose", approval.get("purpose")),
        ("asked of", asked),
        ("tool", approval.get("tool")),
    )
    lines = [KINDS.get(str(approval.get("kind")), KINDS["action"])]
    lines += [f"  {name:<10} {printable(str(value))}" for name, value in facts if value]
    lines.append("  arguments")
    shown = json.dumps(approval.get("arguments"), indent=2, ensure_ascii=False, sort_keys=True)
    lines += [f"    {printable(line)}" for line in shown.splitlines()]
    lines += [f"  {'reason':<10} {printable(text)}" for text in _reasons(approval)]
    lines.append(f"  {'digest':<10} {printable(str(approval.get('action_digest', '')))}")
    lines.append(f"  {'bundle':<10} {printable(str(approval.get('bundle', '')))}")
    lines.append(f"  {'expires':<10} {_expiry(str(approval.get('expires_at', '')), now)}")
    return lines


def _reasons(approval: dict[str, Any]) -> list[str]:
    reasons = approval.get("reasons") or []
    return [f"{reason.get('code', '')}: {reason.get('message', '')}" for reason in reasons if isinstance(reason, dict)]


def _expiry(text: str, now: datetime) -> str:
    moment = parse_time(text)
    if moment is None:
        return "unknown"
    left = (moment - now).total_seconds()
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC, " + (f"in {span(left)}" if left > 0 else "which is over")
