# METADATA
# title: Untrusted content reaches no effect without a contract that says so (invariant I6)
package amas.flow.integrity

effectful := {"write", "external", "irreversible"}

# Asked when the contract says nothing of untrusted content and names no approvers of its own.
requirement := {"from": ["approvers"], "quorum": 1, "fourEyes": true, "expiresIn": 1800}

tainted if {
	input.action.kind == "tool"
	input.action.effect in effectful
	not trusted
}

# Said by its absence too: a context without a word on integrity is untrusted.
trusted if input.context.label.integrity == "trusted"

deny contains {"code": "UNTRUSTED_CONTENT", "message": "the contract forbids this tool after untrusted content was seen"} if {
	tainted
	input.grant.untrusted == "deny"
}

escalate contains {"code": "UNTRUSTED_CONTENT", "message": "untrusted content was seen, and this tool has an effect"} if {
	tainted
	not answered_by_contract
}

# A rule of its own: `not x in xs` is undefined, not true, where x is missing.
answered_by_contract if input.grant.untrusted in {"allow", "deny"}
