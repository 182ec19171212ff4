"""The record of a small run, made by hand of events as the registry describes them."""

from __future__ import annotations

import json
from typing import Any

from amas_cli.audit_trail import GivenContent
from amas_cli.replay.recording import Event, Recording
from amas_governance.audit_events import event_type
from amas_governance.canonical import digest
from amas_governance.resources import Orchestration

TICKET = "customer 4711 asks for a refund"
MAIL = "Refund for customer 4711 was granted"
ARGUMENTS = {"to": "anna@customer.test", "body": MAIL}
KIND = {"kind": "refund"}
READ = {"ticket": "ticket-0000-4711"}
LABEL = {"confidentiality": "internal", "integrity": "untrusted", "categories": ["pii"]}
KEY = "a" * 32


def model(call: str, request: list[Any], said: dict[str, Any], **more: Any) -> dict[str, Any]:
    body = {"messages": request, "tools": [{"function": {"name": "helpdesk__send_mail_to_customer"}}]}
    contents = {"request": json.dumps(body), "response": json.dumps({"choices": [{"message": said}]})}
    return {"callId": call, "provider": "local", "model": "scripted", **contents, **more}


def tool_call(arguments: Any) -> dict[str, Any]:
    return {"tool_calls": [{"id": "call-1", "function": {"name": "x", "arguments": json.dumps(arguments)}}]}


def action(tool: str, key: str, arguments: Any, effect: str = "write") -> dict[str, Any]:
    named = digest({"tool": tool, "arguments": arguments, "run": "run-1"})
    identity = {"tool": tool, "digest": named, "argumentsDigest": digest(arguments), "effect": effect}
    return {**identity, "idempotencyKey": f"run-1/{key}"}


def decided(proposed: dict[str, Any], arguments: Any) -> dict[str, Any]:
    return {"action": proposed, "decision": {"effect": "allow"}, "input": {"action": {"arguments": arguments}}}


def events() -> list[tuple[str, str, dict[str, Any]]]:
    """Type, step and data: a ticket is read, an answer drafted, a mail approved and sent."""
    read, send = action("helpdesk/read", "triage/0/0", READ, "read"), action("mail/send", "reply/0/0", ARGUMENTS)
    done = {**send, "idempotencyKey": "run-1/reply/0/0/approved-apr-1"}
    return [
        ("run.started", "", {"orchestration": "support", "requester": "anna", "input": READ}),
        ("step.started", "triage", {}),
        ("model.called", "triage", model("m1", [{"role": "user", "content": json.dumps(READ)}], tool_call(READ))),
        ("action.intent", "triage", decided(read, READ)),
        ("action.outcome", "triage", {"action": read, "outcome": "succeeded", "text": TICKET, "label": LABEL}),
        ("model.called", "triage", model("m2", [{"role": "tool", "content": TICKET}], {"content": json.dumps(KIND)})),
        ("step.ended", "triage", {"state": "succeeded", "label": LABEL, "output": KIND, "output_bytes": 17}),
        ("step.started", "reply", {}),
        ("model.called", "reply", model("m3", [{"role": "user", "content": "write"}], tool_call(ARGUMENTS))),
        ("action.escalated", "reply", decided(send, ARGUMENTS)),
        (
            "approval.requested",
            "reply",
            {"approval_id": "apr-1", "tool": "mail/send", "action_digest": send["digest"], "label": LABEL},
        ),
        (
            "approval.decided",
            "reply",
            {
                "approval_id": "apr-1",
                "state": "approved",
                "action_digest": send["digest"],
                "approved_digest": send["digest"],
                "answers": [{"approver": "manager"}],
            },
        ),
        ("action.intent", "reply", decided(done, ARGUMENTS)),
        ("action.outcome", "reply", {"action": done, "outcome": "succeeded", "text": "sent", "label": LABEL}),
        ("step.ended", "reply", {"state": "succeeded", "label": LABEL, "output": {"text": "sent"}, "output_bytes": 15}),
        ("run.ended", "", {"state": "succeeded", "label": LABEL, "output": "sent", "output_bytes": 6}),
    ]


def recording(
    said: list[tuple[str, str, dict[str, Any]]] | None = None, *, absent: dict[str, GivenContent] | None = None
) -> Recording:
    """The record; of each type in `absent`, that content is not given."""
    made = []
    for sequence, (kind, step, data) in enumerate(events() if said is None else said, start=1):
        name = f"dev.amas.{kind}"
        known = event_type(name)
        assert known is not None
        contents, given = {}, data
        for place in known.contents:
            gone = (absent or {}).get(kind)
            if gone is not None and gone.name == place.name:
                contents[place.name] = gone
                given = {member: value for member, value in given.items() if member != place.path[-1]}
        members = {
            "id": f"event-{sequence}",
            "type": name,
            "time": f"2026-11-28T10:00:{sequence:02}Z",
            "runid": "run-1",
            "runsequence": sequence,
            "step": step,
            "principal": "anna",
            "contents": {place.name: {"key": KEY} for place in known.contents if place.path[-1] in given},
            "data": given,
        }
        made.append(Event(members, "", contents))
    return Recording("run-1", "acme", made)


def orchestration(output: str | None, *steps: dict[str, Any]) -> Orchestration:
    """A contract of these steps."""
    spec = {"version": "1.0.0", "input": {"schema": {"type": "object"}}, "steps": steps, "output": output}
    document = {"apiVersion": "amas.dev/v1alpha1", "kind": "Orchestration", "metadata": {"name": "support"}}
    return Orchestration.model_validate({**document, "spec": spec})
