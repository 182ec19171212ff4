package amas.flow.dlp_test

import data.amas.flow.dlp

clean := {"kind": "tool", "dlp": {"denied": [], "held": [], "changed": ["pii/email"]}}

test_clean_arguments_leave if {
	count(dlp.deny) == 0 with input as {"action": clean}
	count(dlp.escalate) == 0 with input as {"action": clean}
}

test_denied_findings_deny if {
	some reason in dlp.deny with input as {"action": object.union(clean, {"dlp": {"denied": ["pci/card"], "held": []}})}
	reason.code == "SENSITIVE_ARGUMENTS"
}

test_held_findings_ask if {
	some reason in dlp.escalate with input as {"action": object.union(clean, {"dlp": {"denied": [], "held": ["phi/icd-10"]}})}
	reason.code == "SENSITIVE_ARGUMENTS"
	dlp.requirement.quorum == 1
}

test_what_was_not_inspected_does_not_leave if {
	some reason in dlp.deny with input as {"action": {"kind": "tool"}}
	reason.code == "ARGUMENTS_NOT_INSPECTED"
}

test_a_model_call_has_no_arguments if count(dlp.deny) == 0 with input as {"action": {"kind": "model"}}
