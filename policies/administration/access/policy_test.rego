package amas.administration.access_test

import data.amas.administration.access

codes(found) := {reason.code | some reason in found}

document(verb, roles) := {"action": {"kind": "admin", "verb": verb}, "principal": {"roles": roles}, "role": null}

test_granted if codes(access.allow) == {"ADMIN_GRANTED"} with input as document("apply", ["developer", "platform-admin"])

test_auditors_read if codes(access.deny) == set() with input as document("readAudit", ["auditor"])

test_auditors_find_people if {
	codes(access.allow) == {"ADMIN_GRANTED"} with input as document("findSubject", ["auditor"])
	codes(access.deny) == {"ADMIN_ROLE_MISSING"} with input as document("findSubject", ["developer"])
}

test_others_do_not if codes(access.deny) == {"ADMIN_ROLE_MISSING"} with input as document("revoke", ["auditor"])

test_admins_erase if codes(access.allow) == {"ADMIN_GRANTED"} with input as document("eraseContents", ["platform-admin"])

test_auditors_erase_nothing if {
	codes(access.deny) == {"ADMIN_ROLE_MISSING"} with input as document("eraseContents", ["auditor"])
}

test_unknown_verb if {
	codes(access.deny) == {"ADMIN_VERB_UNKNOWN", "ADMIN_ROLE_MISSING"} with input as document("destroy", ["platform-admin"])
}

test_agents_do_not if {
	acting := json.patch(document("apply", ["platform-admin"]), [{"op": "replace", "path": "/role", "value": {"name": "a"}}])
	codes(access.deny) == {"ADMIN_BY_AGENT"} with input as acting
	silent := json.patch(document("apply", ["platform-admin"]), [{"op": "remove", "path": "/role"}])
	codes(access.deny) == {"ADMIN_BY_AGENT"} with input as silent
}

test_other_kinds if {
	codes(access.deny) == set() with input as {"action": {"kind": "tool"}}
	codes(access.allow) == set() with input as {"action": {"kind": "tool"}}
}
