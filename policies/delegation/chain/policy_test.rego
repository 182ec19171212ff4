package amas.delegation.chain_test

import data.amas.delegation.chain

codes(found) := {reason.code | some reason in found}

base := {
	"action": {
		"kind": "delegate",
		"delegate": "helper",
		"delegateClearance": {"confidentiality": "internal", "categories": []},
		"reach": [{"tool": "mail/send", "effect": "external", "approval": false}],
	},
	"role": {"name": "lead", "delegates": ["helper"], "delegatedBy": []},
	"context": {"label": {"confidentiality": "internal", "categories": [], "integrity": "trusted"}},
}

patched(path, value) := json.patch(base, [{"op": "add", "path": path, "value": value}])

test_granted if {
	codes(chain.allow) == {"DELEGATION_GRANTED"} with input as base
	codes(chain.deny) == set() with input as base
}

test_not_named if codes(chain.deny) == {"DELEGATION_NOT_GRANTED"} with input as patched("/role/delegates", ["other"])

test_nothing_named if {
	altered := json.patch(base, [{"op": "remove", "path": "/role/delegates"}])
	codes(chain.deny) == {"DELEGATION_NOT_GRANTED"} with input as altered
}

test_depth if {
	codes(chain.deny) == set() with input as patched("/role/delegatedBy", ["a", "b", "c"])
	codes(chain.deny) == {"DELEGATION_TOO_DEEP"} with input as patched("/role/delegatedBy", ["a", "b", "c", "d"])
}

test_cycle if {
	codes(chain.deny) == {"DELEGATION_CYCLE"} with input as patched("/role/delegatedBy", ["helper"])
	codes(chain.deny) == {"DELEGATION_CYCLE", "DELEGATION_NOT_GRANTED"} with input as patched("/action/delegate", "lead")
}

test_clearance if {
	codes(chain.deny) == {"CLEARANCE_EXCEEDED"} with input as patched("/context/label/confidentiality", "restricted")
	codes(chain.deny) == {"CATEGORY_NOT_CLEARED"} with input as patched("/context/label/categories", ["pii"])
}

test_untrusted_content if {
	untrusted := patched("/context/label/integrity", "untrusted")
	codes(chain.deny) == set() with input as untrusted
	deletes := {"tool": "files/delete", "effect": "irreversible", "approval": false}
	far := json.patch(untrusted, [{"op": "add", "path": "/action/reach/-", "value": deletes}])
	codes(chain.deny) == {"DELEGATION_TAINTED"} with input as far
	held := json.patch(far, [{"op": "replace", "path": "/action/reach/1/approval", "value": true}])
	codes(chain.deny) == set() with input as held
}

test_without_a_role if {
	codes(chain.deny) == {"ROLE_MISSING", "DELEGATION_NOT_GRANTED", "CHAIN_MISSING"} with input as patched("/role", null)
}

test_without_a_word_on_the_delegate if {
	altered := patched("/action", {"kind": "delegate", "delegate": "helper"})
	codes(chain.deny) == {"CLEARANCE_EXCEEDED", "REACH_MISSING"} with input as altered
}

test_other_kinds_are_not_its_matter if {
	codes(chain.deny) == set() with input as {"action": {"kind": "tool"}}
	codes(chain.allow) == set() with input as {"action": {"kind": "tool"}}
}
