package amas.tools.approval_test

import data.amas.tools.approval

asked := {"from": ["release-managers"], "quorum": 1, "fourEyes": true, "expiresIn": 60}

codes(found) := {reason.code | some reason in found}

test_the_contract_asks if {
	document := {"action": {"kind": "tool", "effect": "write"}, "grant": {"approval": asked}}
	codes(approval.escalate) == {"APPROVAL_REQUIRED"} with input as document
	approval.requirement == asked with input as document
}

test_irreversible_always_asks if {
	document := {"action": {"kind": "tool", "effect": "irreversible"}, "grant": {"approval": null}}
	codes(approval.escalate) == {"IRREVERSIBLE"} with input as document
	approval.requirement.from == ["approvers"] with input as document
}

test_irreversible_keeps_the_contracts_approvers if {
	document := {"action": {"kind": "tool", "effect": "irreversible"}, "grant": {"approval": asked}}
	approval.requirement == asked with input as document
}

test_nobody_asks if {
	document := {"action": {"kind": "tool", "effect": "write"}, "grant": {"approval": null}}
	codes(approval.escalate) == set() with input as document
	not approval.requirement with input as document
}
