"""What receivers are told about approvals, and what not."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from amas_orchestrator.domain.approvals import Approval, ApprovalState
from amas_orchestrator.domain.notices import planned
from amas_orchestrator.domain.requirement import EscalationRule, Requirement
from amas_orchestrator.domain.webhooks import Endpoint, Endpoints, WebhookEvent, deliveries

from ..fakes import START
from .test_answering import DIGEST, answer, approval

HOOK = Endpoint("chat", "acme", "https://hooks.example.com/", ("one",), link="https://amas.example.com/a/{approval}")
NOW = START + timedelta(minutes=3)
SECRET = "customer mail jane.doe@example.com"


def told(endpoint: Endpoint, asked: Approval, **more: Any) -> list[dict[str, Any]]:
    """The messages for one receiver."""
    return [json.loads(made.body) for made in deliveries(Endpoints((endpoint,)), asked, now=NOW, **more)]


def test_a_request_names_the_action_by_its_digest_and_says_where_to_look() -> None:
    """Neither arguments nor reasons nor people leave by default: a link and a digest."""
    asked = approval(arguments_json=json.dumps({"text": SECRET}))
    [message] = told(HOOK, asked)
    assert (message["type"], message["timestamp"]) == ("approval.requested", asked.requested_at.isoformat())
    data = message["data"]
    assert (data["approvalId"], data["actionDigest"], data["tool"]) == ("apr-1", DIGEST, "git/git_commit")
    assert (data["path"], data["link"]) == ("/v1/approvals/apr-1", "https://amas.example.com/a/apr-1")
    for kept_back in (SECRET, "arguments", "developer", "a human must agree"):
        assert kept_back not in json.dumps(message)


def test_arguments_leave_only_where_the_operator_says_so_and_never_with_what_detectors_find() -> None:
    """DLP on the way out: what was allowed to leave is searched all the same."""
    asked = approval(arguments_json=json.dumps({"text": SECRET, "n": 1}))
    [message] = told(replace(HOOK, arguments=True), asked)
    assert message["data"]["arguments"]["n"] == 1
    assert "jane.doe@example.com" not in json.dumps(message)


def test_a_decision_is_told_with_its_state_after_the_request() -> None:
    """Who was away for the request gets both, each under its own id; ids do not change with what is told later."""
    asked = approval()
    decided = answer(asked)
    first, second = deliveries(Endpoints((HOOK,)), decided, now=NOW)
    assert [json.loads(made.body)["type"] for made in (first, second)] == ["approval.requested", "approval.decided"]
    assert json.loads(second.body)["data"]["state"] == "approved"
    assert first.id == deliveries(Endpoints((HOOK,)), asked, now=NOW)[0].id != second.id
    expired = told(HOOK, replace(asked, state=ApprovalState.EXPIRED))[1]
    assert (expired["data"]["state"], expired["timestamp"]) == ("expired", asked.expires_at.isoformat())
    cancelled = told(HOOK, replace(asked, state=ApprovalState.CANCELLED))[1]
    assert (cancelled["data"]["state"], cancelled["timestamp"]) == ("cancelled", NOW.isoformat())


def test_notices_are_told_with_the_groups_that_they_are_for() -> None:
    """A reminder and an escalation, each once, at the time when they were due."""
    rules = (EscalationRule(900.0, ("directors",)),)
    asked = approval(requirement=Requirement(("release-managers",), 1, True, 1800.0, 600.0, rules))
    messages = [told(HOOK, asked, notice=notice)[0] for notice in planned(asked)]
    assert {message["type"]: message["data"]["askedOf"] for message in messages} == {
        "approval.escalated": ["directors"],
        "approval.reminded": ["release-managers"],
    }


def test_tenants_and_events_are_held_apart() -> None:
    """I8: a receiver is told of its tenant's approvals alone, and of the events that it asked for."""
    asked = approval()
    assert told(replace(HOOK, tenant="globex"), asked) == []
    assert told(replace(HOOK, events=frozenset({WebhookEvent.DECIDED})), asked) == []
    assert Endpoints((HOOK,)).named("globex", "chat") is None
