package amas.flow.clearance_test

import data.amas.flow.clearance

codes(found) := {reason.code | some reason in found}

document(confidentiality, categories) := {
	"action": {"kind": "tool"},
	"role": {"clearance": {"confidentiality": "internal", "categories": ["pii"]}},
	"context": {"label": {"confidentiality": confidentiality, "categories": categories}},
}

test_within if codes(clearance.deny) == set() with input as document("internal", ["pii"])

test_above if codes(clearance.deny) == {"CLEARANCE_EXCEEDED"} with input as document("restricted", [])

test_unknown_label if codes(clearance.deny) == {"CLEARANCE_EXCEEDED"} with input as document("none", [])

test_unknown_clearance if {
	altered := json.patch(document("internal", []), [{"op": "replace", "path": "/role/clearance/confidentiality", "value": "all"}])
	codes(clearance.deny) == {"CLEARANCE_EXCEEDED"} with input as altered
}

test_category if codes(clearance.deny) == {"CATEGORY_NOT_CLEARED"} with input as document("internal", ["phi"])

test_route if {
	altered := {
		"action": {"kind": "model", "routeClearance": {"confidentiality": "public", "categories": []}},
		"context": {"label": {"confidentiality": "internal", "categories": []}},
	}
	codes(clearance.deny) == {"CLEARANCE_EXCEEDED"} with input as altered
}

test_unlabelled if {
	codes(clearance.deny) == {"LABEL_MISSING"} with input as {"action": {"kind": "tool"}, "role": {"clearance": {}}, "context": {}}
}

test_uncleared if {
	codes(clearance.deny) == {"CLEARANCE_MISSING"} with input as {
		"action": {"kind": "tool"},
		"context": {"label": {"confidentiality": "internal", "categories": []}},
	}
}
