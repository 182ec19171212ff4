# METADATA
# title: The one decision
# description: >-
#   Joins what each policy says about an action into one document. A denial outweighs an escalation, an escalation
#   outweighs an allowance, and an action that no policy knows is denied.
# entrypoint: true
package amas.main

import data.amas.administration.access as administration
import data.amas.autonomy.error_budget
import data.amas.delegation.chain
import data.amas.escalation.risk
import data.amas.flow.clearance
import data.amas.flow.dlp
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

known_kind if input.action.kind in {"tool", "model", "delegate", "admin"}

escalation_answered if count(escalations) == 0

escalation_answered if approved

# The enforcer has held the approval against the action, the bundle, the clock and the approvers before it says valid.
approved if input.approval.valid == true

denials contains reason if some reason in (tool_access.deny | model_access.deny)

denials contains reason if some reason in (chain.deny | administration.deny)

denials contains reason if some reason in ((risk.deny | integrity.deny) | (dlp.deny | error_budget.deny))

# Administration moves no data of a run, so it carries no label and nobody's clearance is asked about.
denials contains reason if {
	input.action.kind != "admin"
	some reason in clearance.deny
}

denials contains {"code": "APPROVERS_CONFLICT", "message": "no group may approve for every policy that asks for an approval"} if {
	count(escalations) > 0
	count(requirement.from) == 0
}

# Only where somebody new would be asked.
denials contains reason if {
	count(escalations) > 0
	not approved
	some reason in error_budget.busy
}

escalations := (((approval.escalate | integrity.escalate) | risk.escalate) | dlp.escalate) | error_budget.escalate

allowances := ((((tool_access.allow | model_access.allow) | integrity.allow) | chain.allow) | administration.allow) | approved_reason

approved_reason contains {"code": "APPROVED", "message": "the required approval was given"} if {
	count(escalations) > 0
	approved
}

obligations := ["label", "quota", "redact"]

# Whom the contract names answers for all; else one requirement that satisfies every policy that asks.
requirement := input.grant.approval if contract_requires

requirement := {
	"from": sort(intersection({{group | some group in asked.from} | some asked in asking})),
	"quorum": max([asked.quorum | some asked in asking]),
	"fourEyes": count([asked | some asked in asking; asked.fourEyes]) > 0,
	"expiresIn": min([asked.expiresIn | some asked in asking]),
} if {
	not contract_requires
}

contract_requires if input.grant.approval != null

asking contains approval.requirement if count(approval.escalate) > 0

asking contains integrity.requirement if count(integrity.escalate) > 0

asking contains risk.requirement if count(risk.escalate) > 0

asking contains dlp.requirement if count(dlp.escalate) > 0

asking contains error_budget.requirement if count(error_budget.escalate) > 0
