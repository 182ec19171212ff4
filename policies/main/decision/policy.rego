# METADATA
# title: The one decision
# description: >-
#   Joins what each policy says about an action into one document. A denial outweighs an escalation, an escalation
#   outweighs an allowance, and an action that no policy knows is denied.
# entrypoint: true
package amas.main

import data.amas.flow.clearance
import data.amas.flow.integrity
import data.amas.models.access as model_access
import data.amas.tools.access as tool_access
import data.amas.tools.approval

default decision := {
	"effect": "deny",
	"reasons": [{"code": "ACTION_UNKNOWN", "message": "no policy knows this kind of action"}],
	"obligations": [],
	"approval": null,
}

decision := {"effect": "deny", "reasons": sort(denials), "obligations": [], "approval": null} if {
	known_kind
	count(denials) > 0
}

decision := {"effect": "escalate", "reasons": sort(escalations), "obligations": obligations, "approval": requirement} if {
	known_kind
	count(denials) == 0
	count(escalations) > 0
	not approved
}

decision := {"effect": "allow", "reasons": sort(allowances), "obligations": obligations, "approval": null} if {
	known_kind
	count(denials) == 0
	escalation_answered
}

known_kind if input.action.kind in {"tool", "model"}

escalation_answered if count(escalations) == 0

escalation_answered if approved

# The enforcer has held the approval against the action, the bundle, the clock and the approvers before it says valid.
approved if input.approval.valid == true

denials := ((tool_access.deny | model_access.deny) | clearance.deny) | integrity.deny

escalations := approval.escalate | integrity.escalate

allowances := ((tool_access.allow | model_access.allow) | integrity.allow) | approved_reason

approved_reason contains {"code": "APPROVED", "message": "the required approval was given"} if {
	count(escalations) > 0
	approved
}

obligations := ["label", "quota", "redact"]

requirement := approval.requirement

requirement := integrity.requirement if not approval.requirement
