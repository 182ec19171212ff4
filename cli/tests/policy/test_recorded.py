import re
from pathlib import Path
from typing import Any

import pytest
from amas_cli.policy import recorded
from amas_cli.policy.recorded import CODE_CHECKS, UNSUPPORTED, read_recorded

from .records import base_input, members

ALLOWED = {
    "effect": "allow",
    "reasons": [{"code": "TOOL_GRANTED", "message": "m"}],
    "obligations": [],
    "approval": None,
}
REASON_CODES = Path(__file__).resolve().parents[3] / "docs" / "reason-codes.md"


def refused(code: str) -> dict[str, Any]:
    return {"effect": "deny", "reasons": [{"code": code, "message": "m"}], "obligations": [], "approval": None}


def test_the_checks_in_the_code_are_the_documented_ones():
    """A code that is missing here would count as a change that a candidate made."""
    table = REASON_CODES.read_text().partition("## Of the checks in the code")[2]
    documented = {
        code for row in re.findall(r"^\| (`[^|]+)\|", table, re.MULTILINE) for code in re.findall(r"`([A-Z_]+)`", row)
    }
    of_the_engine = {code for code in documented if code.startswith("POLICY_")}
    assert documented - of_the_engine - set(UNSUPPORTED.values()) == CODE_CHECKS


@pytest.mark.parametrize(
    ("document", "decision", "data", "why"),
    [
        (None, refused("TOOL_UNKNOWN"), {}, recorded.NOT_ASKED),
        (None, refused("POLICY_ENGINE_GONE"), {"fault": "POLICY_ENGINE_GONE"}, recorded.FAULT),
        (base_input(), refused("QUOTA_EXCEEDED"), {}, recorded.CHECKED),
        (base_input(), ALLOWED, {"argumentsRedacted": True}, recorded.REDACTED),
        (base_input(action__arguments={"a": "[redacted:aws-key]"}), ALLOWED, {}, recorded.REDACTED),
        ("[withheld: too deep]", ALLOWED, {}, recorded.REDACTED),
        (base_input(action__kind="mail"), ALLOWED, {}, recorded.UNKNOWN),
        (["of another", "shape"], ALLOWED, {}, recorded.UNKNOWN),
        (base_input(), {"effect": "allow", "reasons": "none"}, {}, recorded.UNKNOWN),
    ],
)
def test_what_cannot_be_replayed_is_handed_on_with_the_reason(document, decision, data, why):
    """Nothing that was decided is left out without a word."""
    found = read_recorded(members(document, decision, **data))
    assert found is not None
    assert found.unusable == why


def test_a_refusal_of_the_orchestrator_has_no_input():
    """It writes the same type with another shape."""
    event = {"id": "refused:1", "type": "dev.amas.action.denied", "runid": "run-1", "data": {"function": "mail"}}
    found = read_recorded(event)
    assert found is not None
    assert (found.subject, found.unusable) == ("mail", recorded.NOT_ASKED)


def test_an_event_that_decides_nothing_is_none():
    """Outcomes hold the decision again, and count once."""
    event = members(base_input(), ALLOWED)
    assert read_recorded({**event, "type": "dev.amas.action.outcome"}) is None
