package amas.escalation.risk_test

import data.amas.escalation.risk

codes(found) := {reason.code | some reason in found}

document(effect, label) := {
	"action": {"kind": "tool", "effect": effect, "idempotent": false, "arguments": {}},
	"context": {"label": label},
}

trusted := {"confidentiality": "internal", "categories": [], "integrity": "trusted"}

worst := {"confidentiality": "restricted", "categories": ["secret", "phi"], "integrity": "untrusted"}

test_a_read_has_no_risk if risk.score == 0 with input as document("read", worst)

test_a_write_passes if codes(risk.escalate) == set() with input as document("write", trusted)

test_factors_add_up if risk.score == 140 - 15 with input as document("external", worst)

test_worst_is_refused if codes(risk.deny) == {"RISK_TOO_HIGH"} with input as document("external", worst)

test_between_the_thresholds_a_human_is_asked if {
	label := {"confidentiality": "restricted", "categories": ["pci"], "integrity": "trusted"}
	codes(risk.escalate) == {"HIGH_RISK"} with input as document("external", label)
	codes(risk.deny) == set() with input as document("external", label)
	risk.requirement.quorum == 1
}

test_what_may_be_repeated_weighs_less if {
	altered := json.patch(document("write", trusted), [{"op": "replace", "path": "/action/idempotent", "value": true}])
	risk.score == 15 with input as altered
}

test_the_unknown_weighs_most if risk.score == ((60 + 10) + 30) + 15 with input as {"action": {"kind": "tool"}, "context": {}}

test_an_unknown_category_weighs_as_a_secret if {
	label := {"confidentiality": "public", "categories": ["unheard-of"], "integrity": "trusted"}
	risk.score == (10 + 10) + 30 with input as document("write", label)
}

test_other_kinds_have_no_risk if risk.score == 0 with input as {"action": {"kind": "model"}}

paying(size) := json.patch(document("write", trusted), [{"op": "add", "path": "/grant", "value": {"amounts": [{
	"argument": "refund.amount",
	"size": size,
	"escalateAbove": 100,
	"denyAbove": 1000,
}]}}])

test_a_small_amount_passes if {
	codes(risk.escalate) == set() with input as paying(100)
	codes(risk.deny) == set() with input as paying(100)
}

test_a_larger_amount_waits if codes(risk.escalate) == {"AMOUNT_NEEDS_APPROVAL"} with input as paying(100.01)

test_a_huge_amount_is_refused if codes(risk.deny) == {"AMOUNT_ABOVE_LIMIT"} with input as paying(1000.5)

test_an_unreadable_amount_waits if {
	codes(risk.escalate) == {"AMOUNT_UNREADABLE"} with input as paying(null)
	codes(risk.escalate) == {"AMOUNT_UNREADABLE"} with input as paying("5")
}

test_a_limit_that_is_not_stated_limits_nothing if {
	altered := json.patch(paying(5000), [{"op": "replace", "path": "/grant/amounts/0/denyAbove", "value": null}])
	codes(risk.deny) == set() with input as altered
}
