package amas.models.access_test

import data.amas.models.access

codes(found) := {reason.code | some reason in found}

test_own_route if {
	document := {"action": {"kind": "model", "route": "default"}, "role": {"route": "default"}}
	codes(access.deny) == set() with input as document
	codes(access.allow) == {"ROUTE_GRANTED"} with input as document
}

test_other_route if {
	codes(access.deny) == {"ROUTE_NOT_GRANTED"} with input as {
		"action": {"kind": "model", "route": "other"},
		"role": {"route": "default"},
	}
}

test_developer if {
	codes(access.deny) == set() with input as {"action": {"kind": "model", "route": "default"}, "role": null, "principal": {"roles": ["developer"]}}
}

test_auditor if {
	codes(access.deny) == {"ROLE_MISSING"} with input as {"action": {"kind": "model", "route": "default"}, "role": null, "principal": {"roles": ["auditor"]}}
}
