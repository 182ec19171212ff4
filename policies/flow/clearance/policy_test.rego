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

with_tool(clearance) := json.patch(document("internal", ["pii"]), [{"op": "add", "path": "/action/clearance", "value": clearance}])

test_a_tool_is_a_receiver if {
	codes(clearance.deny) == {"CLEARANCE_EXCEEDED"} with input as with_tool({"confidentiality": "public", "categories": ["pii"]})
	codes(clearance.deny) == {"CATEGORY_NOT_CLEARED"} with input as with_tool({"confidentiality": "internal", "categories": []})
	codes(clearance.deny) == set() with input as with_tool({"confidentiality": "internal", "categories": ["pii"]})
	codes(clearance.deny) == set() with input as with_tool(null)
}

test_a_tools_clearance_of_another_shape_clears_nothing if {
	"CLEARANCE_EXCEEDED" in codes(clearance.deny) with input as with_tool("all")
	"CLEARANCE_EXCEEDED" in codes(clearance.deny) with input as with_tool({})
}
