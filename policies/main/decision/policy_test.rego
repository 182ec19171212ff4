package amas.main_test

import data.amas.main

base := {
	"action": {"kind": "tool", "tool": "git/git_log", "effect": "read"},
	"principal": {"roles": ["developer"]},
	"role": {"name": "historian", "route": "default", "clearance": {"confidentiality": "internal", "categories": []}},
	"grant": {"tool": "git/git_log", "untrusted": "escalate", "approval": null},
	"context": {"label": {"confidentiality": "internal", "categories": [], "integrity": "trusted"}},
	"approval": null,
}

test_allows if main.decision.effect == "allow" with input as base

test_denies_what_nobody_knows if main.decision.reasons[0].code == "ACTION_UNKNOWN" with input as {}

test_denial_wins if {
	altered := json.patch(base, [{"op": "replace", "path": "/grant/tool", "value": "git/git_show"}])
	main.decision.effect == "deny" with input as altered
}

test_escalates_with_the_contracts_requirement if {
	asked := {"from": ["release-managers"], "quorum": 1, "fourEyes": true, "expiresIn": 60}
	altered := json.patch(base, [{"op": "replace", "path": "/grant/approval", "value": asked}])
	main.decision.effect == "escalate" with input as altered
	main.decision.approval == asked with input as altered
}

test_escalates_untrusted_content_with_the_standing_requirement if {
	altered := json.patch(base, [
		{"op": "replace", "path": "/action/effect", "value": "write"},
		{"op": "replace", "path": "/context/label/integrity", "value": "untrusted"},
	])
	main.decision.approval.from == ["approvers"] with input as altered
}

test_an_approval_turns_an_escalation_into_an_allowance if {
	asked := {"from": ["release-managers"], "quorum": 1, "fourEyes": true, "expiresIn": 60}
	altered := json.patch(base, [
		{"op": "replace", "path": "/grant/approval", "value": asked},
		{"op": "replace", "path": "/approval", "value": {"id": "a-1", "valid": true}},
	])
	main.decision.effect == "allow" with input as altered
	{"code": "APPROVED", "message": "the required approval was given"} in main.decision.reasons with input as altered
}
