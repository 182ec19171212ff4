package amas.tools.access_test

import data.amas.tools.access

granted := {"action": {"kind": "tool", "tool": "git/git_log", "effect": "read"}, "role": {"name": "historian"}, "grant": {"tool": "git/git_log"}}

codes(found) := {reason.code | some reason in found}

test_granted if {
	codes(access.deny) == set() with input as granted
	codes(access.allow) == {"TOOL_GRANTED"} with input as granted
}

test_without_a_grant if {
	codes(access.deny) == {"TOOL_NOT_GRANTED"} with input as object.remove(granted, ["grant"])
}

test_without_a_role if codes(access.deny) == {"ROLE_MISSING"} with input as object.remove(granted, ["role"])

test_unknown_effect if {
	altered := json.patch(granted, [{"op": "replace", "path": "/action/effect", "value": "harmless"}])
	codes(access.deny) == {"EFFECT_UNKNOWN"} with input as altered
}
