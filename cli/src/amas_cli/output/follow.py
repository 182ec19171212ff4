"""The live view of a run: one line an event, for any terminal. Answers lines; prints nothing itself."""

from dataclasses import dataclass, field
from typing import Any

from .printable import printable, shortened
from .quantities import compact, money, parse_time, tokens

STEP_WIDTH = 12
WHAT_WIDTH = 9
TEXT_LIMIT = 96
GOOD = frozenset({"succeeded", "approved"})
BAD = frozenset({"failed", "rejected", "cancelled", "deny"})
WAIT = frozenset({"waiting", "escalate"})


@dataclass(frozen=True)
class Shown:
    """One line and its style (see `terminal.STYLES`)."""

    text: str
    style: str = ""


@dataclass
class FollowView:
    """Remembers when steps began, to say how long they took."""

    _begun: dict[str, str] = field(default_factory=dict)

    def lines(self, event: dict[str, Any]) -> list[Shown]:
        """The lines of one event (proto RunEvent). An event of a kind that is not known yet gives none."""
        for name, render in (
            ("run_state_changed", self._run),
            ("step_state_changed", self._step),
            ("model_called", self._model),
            ("tool_called", self._tool),
            ("approval_requested", self._requested),
            ("approval_decided", self._decided),
            ("approval_reminded", self._reminded),
            ("approval_escalated", self._escalated),
            ("output_repaired", self._repaired),
            ("run_taken_over", self._taken_over),
        ):
            payload = event.get(name)
            if payload is not None:
                return render(event, payload)
        return []

    def _run(self, event: dict[str, Any], payload: dict[str, Any]) -> list[Shown]:
        state = str(payload.get("state", ""))
        parts = [state, self._took("", event, state)]
        usage = payload.get("usage")
        if state in GOOD | BAD and usage:
            parts += [f"{tokens(usage)} tokens", money(usage.get("cost"))]
        lines = [_line("run", "", ", ".join(part for part in parts if part), style_of(state))]
        return lines + _reason(payload.get("reason"))

    def _step(self, event: dict[str, Any], payload: dict[str, Any]) -> list[Shown]:
        state, step = str(payload.get("state", "")), str(event.get("step", ""))
        if state == "pending":
            return []
        role = f"as {payload['role']}" if payload.get("role") and state == "running" else ""
        text = " ".join(part for part in (state, role, self._took(step, event, state)) if part)
        return [_line(step, "step", text, style_of(state)), *_reason(payload.get("reason"))]

    def _model(self, event: dict[str, Any], payload: dict[str, Any]) -> list[Shown]:
        usage = payload.get("usage") or {}
        attempts = int(payload.get("attempts") or 1)
        parts = (
            str(payload.get("model", "")),
            f"{tokens(usage)} tokens",
            money(usage.get("cost")),
            f"{int(payload.get('duration_ms') or 0)} ms",
            f"{attempts} attempts" if attempts > 1 else "",
            "stopped by length" if payload.get("finish_reason") == "length" else "",
        )
        return [_line(str(event.get("step", "")), "model", "  ".join(part for part in parts if part))]

    def _tool(self, event: dict[str, Any], payload: dict[str, Any]) -> list[Shown]:
        decision = payload.get("decision") or {}
        effect = str(decision.get("effect", ""))
        step = str(event.get("step", ""))
        failed = "  tool error" if payload.get("is_error") else ""
        timing = f"  {int(payload.get('duration_ms') or 0)} ms" if effect == "allow" else ""
        first, *further = _reasons(decision) or [""]
        verdict = "  ".join(part for part in (f"{effect}{timing}{failed}", first) if part)
        return [
            _line(step, "tool", f"{payload.get('tool', '')} {compact(payload.get('arguments'))}"),
            _line(step, "decision", verdict, style_of(effect)),
            *(_line(step, "", reason, style_of(effect)) for reason in further),
        ]

    def _requested(self, event: dict[str, Any], payload: dict[str, Any]) -> list[Shown]:
        step = str(event.get("step", ""))
        until = parse_time(str(payload.get("expires_at", "")))
        return [
            _line(step, "approval", f"{payload.get('approval_id', '')} asked for {payload.get('tool', '')}", "wait"),
            _line(
                step, "", f"expires {until:%H:%M:%S} UTC, {payload.get('action_digest', '')}" if until else "", "dim"
            ),
        ]

    def _decided(self, event: dict[str, Any], payload: dict[str, Any]) -> list[Shown]:
        word = "approved" if payload.get("approved") else "rejected"
        edited = ", with other arguments" if payload.get("edited") else ""
        who = f" by {payload['approver']}" if payload.get("approver") else ""
        why = f": {payload['reason']}" if payload.get("reason") else ""
        return [_line(str(event.get("step", "")), "approval", f"{word}{who}{edited}{why}", style_of(word))]

    def _reminded(self, event: dict[str, Any], payload: dict[str, Any]) -> list[Shown]:
        text = f"nobody has answered yet; reminded {', '.join(payload.get('groups') or [])}"
        return [_line(str(event.get("step", "")), "approval", text, "wait")]

    def _escalated(self, event: dict[str, Any], payload: dict[str, Any]) -> list[Shown]:
        text = f"escalated: {', '.join(payload.get('groups') or [])} may answer too"
        return [_line(str(event.get("step", "")), "approval", text, "wait")]

    def _repaired(self, event: dict[str, Any], payload: dict[str, Any]) -> list[Shown]:
        text = f"attempt {payload.get('attempt', '')}: {payload.get('error', '')}"
        return [_line(str(event.get("step", "")), "repair", text, "wait")]

    def _taken_over(self, _event: dict[str, Any], payload: dict[str, Any]) -> list[Shown]:
        return [_line("run", "", f"taken over by another executor (fence {payload.get('fencing_token', '')})", "wait")]

    def _took(self, step: str, event: dict[str, Any], state: str) -> str:
        """How long a step or the run took, once it is over."""
        if state in {"queued", "running"}:
            self._begun.setdefault(step, str(event.get("time", "")))
            return ""
        begun, ended = parse_time(self._begun.get(step, "")), parse_time(str(event.get("time", "")))
        if begun is None or ended is None or state not in GOOD | BAD:
            return ""
        return f"in {(ended - begun).total_seconds():.1f} s"


def style_of(state: str) -> str:
    """Good, bad, waiting or nothing special."""
    if state in GOOD:
        return "good"
    if state in BAD:
        return "bad"
    return "wait" if state in WAIT else ""


def _line(step: str, what: str, text: str, style: str = "") -> Shown:
    shown = shortened(text, TEXT_LIMIT)
    return Shown(f"{printable(step):<{STEP_WIDTH}} {what:<{WHAT_WIDTH}} {shown}".rstrip(), style)


def _reasons(decision: dict[str, Any]) -> list[str]:
    reasons = decision.get("reasons") or []
    return [f"{reason.get('code', '')}: {reason.get('message', '')}" for reason in reasons if isinstance(reason, dict)]


def _reason(reason: Any) -> list[Shown]:
    if not isinstance(reason, dict) or not reason.get("code"):
        return []
    return [_line("", "", f"{reason['code']}: {reason.get('message', '')}", "dim")]
