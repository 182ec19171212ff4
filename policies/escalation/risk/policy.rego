# METADATA
# title: The riskier an action is, the less of it happens without a human
# description: >-
#   A score from what the action does, what data it could carry out, and whether untrusted content could have led to it;
#   and the amounts that the contract bounds. The weights and the thresholds are data: a platform team changes these
#   tables, not the rules.
package amas.escalation.risk

thresholds := {"escalate": 75, "deny": 120}

# What an action does to the world; an effect that is none of these weighs as much as the worst.
effect_weights := {"read": 0, "write": 10, "external": 25, "irreversible": 60}

unrepeatable_weight := 10

confidentiality_weights := {"public": 0, "internal": 5, "confidential": 15, "restricted": 30}

category_weights := {"pii": 5, "phi": 15, "pci": 20, "secret": 30}

tainted_weight := 15

# Who is asked about a risky action whose contract names no approvers.
requirement := {"from": ["approvers"], "quorum": 1, "fourEyes": true, "expiresIn": 1800}

deny contains {"code": "RISK_TOO_HIGH", "message": described} if score > thresholds.deny

deny contains {"code": "AMOUNT_ABOVE_LIMIT", "message": "an amount is above what the contract lets this role move"} if {
	some bound in bounds
	above(bound, "denyAbove")
}

escalate contains {"code": "HIGH_RISK", "message": described} if score > thresholds.escalate

escalate contains {"code": "AMOUNT_NEEDS_APPROVAL", "message": "an amount is above what the contract lets pass without a human"} if {
	some bound in bounds
	above(bound, "escalateAbove")
}

escalate contains {"code": "AMOUNT_UNREADABLE", "message": "an amount that the contract bounds is missing or no number"} if {
	some bound in bounds
	not readable(bound)
}

described := concat("", [
	"the risk of this action is ",
	format_int(score, 10),
	"; above ",
	format_int(thresholds.escalate, 10),
	" it needs an approval, above ",
	format_int(thresholds.deny, 10),
	" it is refused",
])

default score := 0

score := sum([weight | some weight in factors]) if input.action.kind == "tool"

factors["effect"] := object.get(effect_weights, object.get(input.action, "effect", "missing"), max(worst_effects))

worst_effects := [weight | some weight in effect_weights]

# The rest counts only where something leaves this process of thought: a read carries nothing out.
effectful if not reads

factors["unrepeatable"] := unrepeatable_weight if {
	effectful
	not repeatable
}

factors["confidentiality"] := weight if {
	effectful
	level := object.get(input, ["context", "label", "confidentiality"], "missing")
	weight := object.get(confidentiality_weights, level, confidentiality_weights.restricted)
}

factors["categories"] := weight if {
	effectful
	found := {category | some category in input.context.label.categories}
	weight := sum([object.get(category_weights, category, category_weights.secret) | some category in found])
}

factors["tainted"] := tainted_weight if {
	effectful
	not trusted
}

# The enforcer has read each amount from the arguments: its size, or null where there is none to be read.
default bounds := []

bounds := input.grant.amounts if {
	input.action.kind == "tool"
	is_array(input.grant.amounts)
}

# A limit that the contract does not state is null, and every number is greater than null: so ask for numbers first.
above(bound, limit) if {
	is_number(bound.size)
	is_number(bound[limit])
	bound.size > bound[limit]
}

readable(bound) if is_number(bound.size)

# Rules of their own, so that what is missing counts as the riskier.
reads if input.action.effect == "read"

repeatable if input.action.idempotent == true

trusted if input.context.label.integrity == "trusted"
