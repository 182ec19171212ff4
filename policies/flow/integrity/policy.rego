# METADATA
# title: Untrusted content reaches no effect without a contract that says so (invariant I6)
package amas.flow.integrity

effectful := {"write", "external", "irreversible"}

# Asked when a human must look and the contract names no approvers of its own.
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

allow contains {"code": "ARGUMENTS_TRUSTED", "message": "untrusted content was seen, and every sensitive argument stems from trusted input"} if {
	tainted
	answered_by_arguments
}

escalate contains {"code": "ARGUMENTS_UNTRUSTED", "message": "untrusted content was seen, and a sensitive argument does not stem from trusted input"} if {
	tainted
	input.grant.untrusted == "trustedArguments"
	not answered_by_arguments
}

escalate contains {"code": "UNTRUSTED_CONTENT", "message": "untrusted content was seen, and this tool has an effect"} if {
	tainted
	not answered_by_contract
}

# A rule of its own: `not x in xs` is undefined, not true, where x is missing.
answered_by_contract if input.grant.untrusted in {"allow", "deny", "trustedArguments"}

answered_by_arguments if {
	input.grant.untrusted == "trustedArguments"
	is_array(input.action.sensitive)
	count(untraced) == 0
}

# By position, so that an entry of any other shape counts as one that is not trusted.
untraced contains position if {
	some position, argument in input.action.sensitive
	not argument.trusted == true
}
