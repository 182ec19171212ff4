package amas.autonomy.error_budget_test

import data.amas.autonomy.error_budget

codes(found) := {reason.code | some reason in found}

document(effect, role, service) := {
	"action": {"kind": "tool", "effect": effect},
	"autonomy": {"role": {"level": role}, "service": {"level": service}, "approvers": null},
}

test_full if {
	codes(error_budget.escalate) == set() with input as document("irreversible", "full", "full")
	codes(error_budget.deny) == set() with input as document("irreversible", "full", "full")
}

test_reduced if {
	codes(error_budget.escalate) == {"AUTONOMY_REDUCED"} with input as document("external", "reduced", "full")
	codes(error_budget.escalate) == {"AUTONOMY_REDUCED"} with input as document("irreversible", "full", "reduced")
	codes(error_budget.escalate) == set() with input as document("write", "reduced", "full")
	codes(error_budget.escalate) == set() with input as document("read", "reduced", "full")
}

test_minimal if {
	codes(error_budget.escalate) == {"AUTONOMY_MINIMAL"} with input as document("write", "minimal", "reduced")
	codes(error_budget.escalate) == set() with input as document("read", "minimal", "full")
	error_budget.requirement.quorum == 1
}

test_none if {
	codes(error_budget.deny) == {"AUTONOMY_NONE"} with input as document("write", "full", "none")
	codes(error_budget.deny) == set() with input as document("read", "none", "none")
}

test_an_unknown_level_is_the_strictest if {
	codes(error_budget.deny) == {"AUTONOMY_NONE"} with input as document("write", "splendid", "full")
	codes(error_budget.deny) == {"AUTONOMY_NONE"} with input as {"action": {"kind": "tool", "effect": "write"}, "autonomy": {}}
	codes(error_budget.deny) == {"AUTONOMY_NONE"} with input as {"action": {"kind": "tool", "effect": "write"}}
	codes(error_budget.deny) == {"AUTONOMY_NONE"} with input as {"action": {"kind": "tool"}}
}

test_a_role_that_is_not_governed if {
	codes(error_budget.deny) == set() with input as {"action": {"kind": "tool", "effect": "write"}, "autonomy": null}
	codes(error_budget.busy) == set() with input as {"action": {"kind": "tool", "effect": "write"}, "autonomy": null}
}

waiting(approvers) := json.patch(
	document("write", "minimal", "full"),
	[{"op": "replace", "path": "/autonomy/approvers", "value": approvers}],
)

test_approvers_with_room if codes(error_budget.busy) == set() with input as waiting({"waiting": 4, "capacity": 5})

test_nobody_new_would_be_asked if codes(error_budget.busy) == set() with input as waiting(null)

test_approvers_without if {
	every approvers in [{"waiting": 5, "capacity": 5}, {"waiting": null, "capacity": 5}, {"capacity": 5}, {}, {"waiting": 0}] {
		codes(error_budget.busy) == {"APPROVERS_BUSY"} with input as waiting(approvers)
	}
}
