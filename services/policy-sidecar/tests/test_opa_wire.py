"""What OPA posts is read strictly, and of a decision only what may be on record."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from amas_policy_sidecar.entrypoints.opa_wire import read_decisions, read_status

DIGEST = "sha256:" + "a" * 64
STATUS = {
    "labels": {"id": "one", "version": "1.22.2"},
    "discovery": {"name": "discovery", "active_revision": "tag"},
    "bundles": {
        "b1-p": {"name": "b1-p", "active_revision": DIGEST},
        "b2-p": {"name": "b2-p", "code": "bundle_error", "message": "b2/policy.rego:3: rego_parse_error: secret rule"},
    },
    "plugins": {
        "bundle": {"state": "NOT_READY"},
        "discovery": {"state": "OK"},
        "decision_logs": {"state": "ERROR"},
        "status": {"state": "OK"},
    },
}
EVENT: dict[str, Any] = {
    "labels": {"id": "one"},
    "decision_id": "d-1",
    "bundles": {"b1-p": {"revision": DIGEST}, "b2-p": {"revision": "sha256:" + "b" * 64}},
    "path": "b1/amas/main/decision",
    "input": {
        "principal": {"subject": "developer", "tenant": "acme"},
        "step": "publish",
        "role": {"name": "publisher", "version": "1.0.0"},
        "action": {"arguments": {"message": "planted"}},
    },
    "result": {"effect": "deny", "codes": ["TOOL_NOT_GRANTED"], "reasons": [{"message": "planted"}]},
    "timestamp": "2026-11-28T11:14:14.149204627Z",
    "request_context": {
        "http": {"headers": {"traceparent": ["00-1-2-01"], "amas-bundle": [DIGEST], "amas-input-digest": [DIGEST]}}
    },
}


def changed(path: str, value: Any) -> dict[str, Any]:
    event = copy.deepcopy(EVENT)
    *parents, last = path.split(".")
    inner = event
    for name in parents:
        inner = inner[name]
    inner[last] = value
    return event


def test_a_status_says_what_is_active_and_what_is_not() -> None:
    """A bundle's own message is not taken: it may quote a policy."""
    status = read_status(STATUS)
    assert status.instance == "one"
    assert status.active == {"b1-p": DIGEST}
    assert status.failed == {"b2-p": "bundle_error"}
    assert status.list_problem == ""
    assert status.faulty == ("decision_logs",)


@pytest.mark.parametrize("report", [None, [], "x", {}, {"labels": []}])
def test_anything_else_is_no_status(report: object) -> None:
    """I11: refused, never taken for a healthy OPA."""
    with pytest.raises(ValueError, match="not a status report"):
        read_status(report)


def test_a_decision_is_taken_without_contents() -> None:
    """Even from an OPA whose mask is missing, no argument and no text goes on."""
    (entry,), unreadable = read_decisions([EVENT])
    assert unreadable == []
    assert "planted" not in repr(entry)
    assert (entry.id, entry.revision, entry.effect, entry.codes) == ("d-1", DIGEST, "deny", ("TOOL_NOT_GRANTED",))
    assert (entry.tenant, entry.step, entry.role, entry.role_version) == ("acme", "publish", "publisher", "1.0.0")
    assert (entry.bundle, entry.input_digest, entry.traceparent) == (DIGEST, DIGEST, "00-1-2-01")
    assert not entry.failed


def test_a_decision_that_failed_is_an_entry_too() -> None:
    """No result, or an error: on record as failed."""
    assert read_decisions([changed("error", {"code": "eval_conflict_error"})])[0][0].failed
    assert read_decisions([changed("result", None)])[0][0].failed


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("input", None),
        ("input.principal", {}),
        ("input.principal.tenant", ""),
        ("input.principal.tenant", "x" * 64),
        ("input.step", 3),
        ("input.role", None),
        ("path", "system/authz/allow"),
        ("path", "b3/amas/main/decision"),
        ("bundles", {}),
        ("decision_id", ""),
        ("timestamp", "yesterday"),
        ("result.codes", "x"),
        ("result.codes", [1]),
        ("request_context.http.headers.amas-bundle", ["not a digest"]),
    ],
)
def test_what_cannot_be_read_is_named(path: str, value: Any) -> None:
    """One bad entry is told by its id, and does not take the others with it."""
    bad = changed(path, value)
    entries, unreadable = read_decisions([EVENT, bad, EVENT])
    assert len(entries) == 2
    assert unreadable == [bad["decision_id"]]


@pytest.mark.parametrize("events", [None, {}, "x", 3])
def test_anything_else_is_no_log(events: object) -> None:
    """I11: refused as a whole."""
    with pytest.raises(ValueError, match="not a list of decisions"):
        read_decisions(events)
