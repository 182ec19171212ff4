package amas.flow.integrity_test

import data.amas.flow.integrity

codes(found) := {reason.code | some reason in found}

document(effect, trust, stance) := {
	"action": {"kind": "tool", "effect": effect},
	"grant": {"untrusted": stance},
	"context": {"label": {"integrity": trust}},
}

test_trusted if codes(integrity.escalate) == set() with input as document("write", "trusted", "escalate")

test_read if codes(integrity.escalate) == set() with input as document("read", "untrusted", "escalate")

test_escalates if codes(integrity.escalate) == {"UNTRUSTED_CONTENT"} with input as document("external", "untrusted", "escalate")

test_allowed_by_contract if codes(integrity.escalate) == set() with input as document("write", "untrusted", "allow")

test_denied_by_contract if codes(integrity.deny) == {"UNTRUSTED_CONTENT"} with input as document("write", "untrusted", "deny")

test_requirement if integrity.requirement.quorum == 1

test_missing_integrity_is_untrusted if {
	codes(integrity.escalate) == {"UNTRUSTED_CONTENT"} with input as {"action": {"kind": "tool", "effect": "write"}}
}
