"""What an approver is shown: the exact action, whole, with who is responsible, what was seen, and what others answered.

Nothing is shortened. What stands here is what the rendering digest of an answer is about (docs/approvals.md).
"""

import difflib
import json
from datetime import datetime
from typing import Any

from .printable import printable
from .quantities import parse_time, span

KINDS = {
    "action": "May this action be done?",
    "unknown_outcome": "Whether this was done is unknown. Approve: do it again. Reject: go on as if it had failed.",
    "bound": "A bound of the role is reached. Approve: go on. Reject: end the step.",
    "declassification": "May the label of this value be lowered? Reject: end the step.",
}


def approval_lines(approval: dict[str, Any], now: datetime) -> list[str]:
    """The whole approval, line by line, safe to print."""
    facts = (
        ("approval", approval.get("id")),
        ("state", approval.get("state")),
        ("run", f"{approval.get('run_id', '')}, step {approval.get('step', '')}"),
        ("requester", _requester(approval)),
        ("chain", chain(approval)),
        ("purpose", approval.get("purpose")),
        ("has seen", _label(approval.get("label"))),
        ("asked of", asked_of(approval)),
        ("tool", approval.get("tool")),
        ("edited by", approval.get("editor")),
    )
    lines = [KINDS.get(str(approval.get("kind")), KINDS["action"])]
    lines += [f"  {name:<10} {printable(str(value))}" for name, value in facts if value]
    lines += ["  arguments", *_arguments(approval)]
    lines += [f"  {'reason':<10} {text}" for text in _reasons(approval)]
    lines.append(f"  {'digest':<10} {printable(str(approval.get('action_digest', '')))}")
    lines.append(f"  {'bundle':<10} {printable(str(approval.get('bundle', '')))}")
    lines.append(f"  {'shown':<10} {printable(str(approval.get('rendering_digest', '')))}")
    lines.append(f"  {'expires':<10} {_expiry(str(approval.get('expires_at', '')), now)}")
    lines += [f"  {'answer':<10} {printable(text)}" for text in _answers(approval)]
    for edit in approval.get("edits") or []:
        lines.append(
            f"  {'edited':<10} by {printable(str(edit.get('editor', '')))} into {edit.get('action_digest', '')}"
        )
        lines += _arguments(edit)
    return lines


def as_edited(approval: dict[str, Any], edit: dict[str, Any]) -> dict[str, Any]:
    """The approval with one of its edits in place of what was proposed."""
    taken = ("action_digest", "arguments", "reasons", "requirement", "expires_at", "rendering_digest", "editor")
    return {**approval, "edits": [], **{name: edit[name] for name in taken if name in edit}}


def edit_lines(approval: dict[str, Any], edited: dict[str, Any], decision: dict[str, Any]) -> list[str]:
    """What an edit changes, line by line, and what policy says of it."""
    before, after = _arguments(approval), _arguments(edited)
    changed = [line for line in difflib.ndiff(before, after) if not line.startswith("?")]
    effect = str(decision.get("effect", ""))
    return ["The arguments, edited:", *changed, f"policy says {effect}", *(f"  {text}" for text in _reasons(decision))]


def asked_groups(approval: dict[str, Any]) -> str:
    """The groups that may answer, those in brackets that may later: `support (leads)`."""
    requirement = approval.get("requirement") or {}
    later = [group for rule in requirement.get("escalate") or [] for group in rule.get("to") or []]
    first = ", ".join(requirement.get("from") or [])
    return f"{first} ({', '.join(later)})" if later else first


def asked_of(approval: dict[str, Any]) -> str:
    """Who must answer: `2 of finance, not by the requester`."""
    requirement = approval.get("requirement") or {}
    eyes = ", not by the requester" if requirement.get("four_eyes") else ""
    later = "".join(
        f"; {', '.join(rule.get('to') or [])} too after {_span(rule.get('after'))}"
        for rule in requirement.get("escalate") or []
    )
    return f"{requirement.get('quorum') or 1} of {', '.join(requirement.get('from') or ['any approver'])}{later}{eyes}"


def _span(duration: Any) -> str:
    """A duration of the protobuf JSON mapping, `900s`, in its largest unit."""
    text = str(duration or "0s").removesuffix("s")
    return span(float(text)) if text.replace(".", "", 1).isdigit() else str(duration)


def agreed(approval: dict[str, Any]) -> str:
    """How many have agreed to one and the same action, of how many: `1/2`."""
    digests = [answer.get("action_digest") for answer in approval.get("answers") or [] if answer.get("approved")]
    most = max((digests.count(digest) for digest in digests), default=0)
    return f"{most}/{(approval.get('requirement') or {}).get('quorum') or 1}"


def chain(approval: dict[str, Any]) -> str:
    """Who stands behind the action, the responsible person first, the acting role last."""
    names = [approval.get("requester"), *(approval.get("delegated_by") or []), approval.get("role")]
    return " > ".join(str(name) for name in names if name)


def _requester(approval: dict[str, Any]) -> str:
    through = f", through {approval['application']}" if approval.get("application") else ""
    return f"{approval.get('requester', '')}{through}"


def _label(label: Any) -> str:
    if not isinstance(label, dict):
        return ""
    data = [str(label.get("confidentiality", "")), *map(str, label.get("categories") or [])]
    trust = "trusted" if label.get("integrity") == "trusted" else "UNTRUSTED"
    return f"{', '.join(filter(None, data))} data; {trust} content"


def _answers(approval: dict[str, Any]) -> list[str]:
    lines = []
    for answer in approval.get("answers") or []:
        word = "approved" if answer.get("approved") else "rejected"
        groups = f" for {', '.join(answer['groups'])}" if answer.get("groups") else ""
        why = f": {answer['reason']}" if answer.get("reason") else ""
        lines.append(f"{answer.get('approver', '')} {word}{groups} at {answer.get('time', '')}{why}")
    return lines


def _reasons(approval: dict[str, Any]) -> list[str]:
    reasons = approval.get("reasons") or []
    texts = [f"{reason.get('code', '')}: {reason.get('message', '')}" for reason in reasons if isinstance(reason, dict)]
    return [printable(text) for text in texts]


def _arguments(approval: dict[str, Any]) -> list[str]:
    shown = json.dumps(approval.get("arguments"), indent=2, ensure_ascii=False, sort_keys=True)
    return [f"    {printable(line)}" for line in shown.splitlines()]


def _expiry(text: str, now: datetime) -> str:
    moment = parse_time(text)
    if moment is None:
        return "unknown"
    left = (moment - now).total_seconds()
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC, " + (f"in {span(left)}" if left > 0 else "which is over")
