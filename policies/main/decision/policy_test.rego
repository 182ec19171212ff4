package amas.main_test

import data.amas.main

base := {
	"action": {"kind": "tool", "tool": "git/git_log", "effect": "read", "dlp": {"denied": [], "held": []}},
	"principal": {"roles": ["developer"]},
	"role": {"name": "historian", "route": "default", "clearance": {"confidentiality": "internal", "categories": []}},
	"grant": {"tool": "git/git_log", "untrusted": "escalate", "approval": null},
	"context": {"label": {"confidentiality": "internal", "categories": [], "integrity": "trusted"}},
	"approval": null,
	"autonomy": null,
}

test_allows if main.decision.effect == "allow" with input as base

test_denies_what_nobody_knows if main.decision.reasons[0].code == "ACTION_UNKNOWN" with input as {}

test_escalates_what_a_human_must_let_leave if {
	altered := json.patch(base, [{"op": "replace", "path": "/action/dlp/held", "value": ["phi/icd-10"]}])
	main.decision.effect == "escalate" with input as altered
	main.decision.approval.from == ["approvers"] with input as altered
}

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

test_every_kind_has_its_policy if {
	administering := json.patch(base, [
		{"op": "replace", "path": "/action", "value": {"kind": "admin", "verb": "apply"}},
		{"op": "replace", "path": "/principal/roles", "value": ["platform-admin"]},
		{"op": "replace", "path": "/role", "value": null},
		{"op": "remove", "path": "/context"},
	])
	main.decision.reasons[0].code == "ADMIN_GRANTED" with input as administering
	handing := json.patch(base, [
		{"op": "replace", "path": "/action", "value": {"kind": "delegate", "delegate": "helper"}},
		{"op": "replace", "path": "/role/name", "value": "helper"},
	])
	main.decision.effect == "deny" with input as handing
}

risky := json.patch(base, [
	{"op": "replace", "path": "/action/effect", "value": "irreversible"},
	{"op": "replace", "path": "/context/label/integrity", "value": "untrusted"},
])

test_one_requirement_satisfies_all_that_ask if {
	stricter := {"from": ["approvers", "board"], "quorum": 2, "fourEyes": false, "expiresIn": 60}
	together := {"from": ["approvers"], "quorum": 2, "fourEyes": true, "expiresIn": 60}
	main.decision.approval == together with input as risky with data.amas.escalation.risk.requirement as stricter
}

test_nobody_can_answer_for_all if {
	other := {"from": ["board"], "quorum": 1, "fourEyes": true, "expiresIn": 60}
	main.decision.reasons[0].code == "APPROVERS_CONFLICT" with input as risky with data.amas.escalation.risk.requirement as other
}

test_a_risk_too_high_is_denied if {
	main.decision.reasons[0].code == "RISK_TOO_HIGH" with input as risky with data.amas.escalation.risk.thresholds as {"escalate": 1, "deny": 2}
}

test_data_above_a_clearance_is_denied if {
	altered := json.patch(base, [{"op": "replace", "path": "/context/label/confidentiality", "value": "restricted"}])
	main.decision.reasons[0].code == "CLEARANCE_EXCEEDED" with input as altered
}

burning := json.patch(base, [
	{"op": "replace", "path": "/action/effect", "value": "external"},
	{"op": "replace", "path": "/autonomy", "value": {"role": {"level": "reduced"}, "service": {"level": "full"}, "approvers": {"waiting": 1, "capacity": 2}}},
])

test_a_burning_budget_escalates_while_approvers_have_time if {
	main.decision.effect == "escalate" with input as burning
	busy := json.patch(burning, [{"op": "replace", "path": "/autonomy/approvers/waiting", "value": 2}])
	main.decision.reasons[0].code == "APPROVERS_BUSY" with input as busy
}
