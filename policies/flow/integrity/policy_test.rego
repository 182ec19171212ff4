package amas.flow.integrity_test

import data.amas.flow.integrity

codes(found) := {reason.code | some reason in found}

document(effect, trust, stance) := {
	"action": {"kind": "tool", "effect": effect, "sensitive": [{"path": "to", "trusted": false}]},
	"grant": {"untrusted": stance},
	"context": {"label": {"integrity": trust}},
}

with_sensitive(sensitive) := json.patch(
	document("external", "untrusted", "trustedArguments"),
	[{"op": "replace", "path": "/action/sensitive", "value": sensitive}],
)

test_trusted if codes(integrity.escalate) == set() with input as document("write", "trusted", "escalate")

test_read if codes(integrity.escalate) == set() with input as document("read", "untrusted", "escalate")

test_escalates if codes(integrity.escalate) == {"UNTRUSTED_CONTENT"} with input as document("external", "untrusted", "escalate")

test_allowed_by_contract if codes(integrity.escalate) == set() with input as document("write", "untrusted", "allow")

test_denied_by_contract if codes(integrity.deny) == {"UNTRUSTED_CONTENT"} with input as document("write", "untrusted", "deny")

test_requirement if integrity.requirement.quorum == 1

test_missing_integrity_is_untrusted if {
	codes(integrity.escalate) == {"UNTRUSTED_CONTENT"} with input as {"action": {"kind": "tool", "effect": "write"}}
}

test_an_untraced_argument_escalates if {
	codes(integrity.escalate) == {"ARGUMENTS_UNTRUSTED"} with input as document("external", "untrusted", "trustedArguments")
}

test_traced_arguments_answer if {
	altered := with_sensitive([{"path": "to", "trusted": true}, {"path": "url", "trusted": true}])
	codes(integrity.escalate) == set() with input as altered
	codes(integrity.allow) == {"ARGUMENTS_TRUSTED"} with input as altered
}

test_one_untraced_argument_is_enough if {
	altered := with_sensitive([{"path": "to", "trusted": true}, {"path": "url", "trusted": false}])
	codes(integrity.escalate) == {"ARGUMENTS_UNTRUSTED"} with input as altered
	codes(integrity.allow) == set() with input as altered
}

test_another_shape_is_not_trusted if {
	every sensitive in [null, {}, "to", [null], ["to"], [{"path": "to"}], [{"path": "to", "trusted": "true"}], [{"path": "to", "trusted": 1}]] {
		codes(integrity.escalate) == {"ARGUMENTS_UNTRUSTED"} with input as with_sensitive(sensitive)
	}
}

test_no_word_on_arguments_is_not_trusted if {
	altered := json.patch(with_sensitive([]), [{"op": "remove", "path": "/action/sensitive"}])
	codes(integrity.escalate) == {"ARGUMENTS_UNTRUSTED"} with input as altered
}

test_no_sensitive_argument if {
	codes(integrity.escalate) == set() with input as with_sensitive([])
}
