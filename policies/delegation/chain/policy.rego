# METADATA
# title: A role hands a sub-task on only to whom its contract names, and never deeper, in a circle or above a clearance
# description: >-
#   Asked before a role delegates. What the delegate then does is decided again, action by action, within the grants that
#   all roles of the chain share; so this policy is about the handing over alone.
package amas.delegation.chain

import data.amas.flow.clearance

# Roles that may stand behind one another.
max_depth := 4

deny contains {"code": "ROLE_MISSING", "message": "a sub-task is handed on by a role, and there is none"} if {
	delegates
	not input.role.name
}

deny contains {"code": "DELEGATION_NOT_GRANTED", "message": "the role's contract names no such delegate"} if {
	delegates
	not named
}

deny contains {"code": "DELEGATION_TOO_DEEP", "message": "too many roles stand behind one another already"} if {
	delegates
	count(chain) > max_depth
}

deny contains {"code": "DELEGATION_CYCLE", "message": "the delegate stands in the chain already"} if {
	delegates
	input.action.delegate in chain
}

deny contains {"code": "CLEARANCE_EXCEEDED", "message": "the context is more confidential than the delegate may see"} if {
	delegates
	clearance.exceeds(
		object.get(input, ["context", "label", "confidentiality"], "missing"),
		object.get(input, ["action", "delegateClearance", "confidentiality"], "missing"),
	)
}

deny contains {"code": "CATEGORY_NOT_CLEARED", "message": "the context holds a category of data that the delegate may not see"} if {
	delegates
	some category in input.context.label.categories
	not category in object.get(input, ["action", "delegateClearance", "categories"], [])
}

# Content that nobody vouches for gets no nearer to what cannot be undone, unless a contract already puts people between.
deny contains {"code": "DELEGATION_TAINTED", "message": "untrusted content was seen, and the delegate may do what cannot be undone"} if {
	delegates
	not trusted
	some tool in input.action.reach
	not object.get(tool, "effect", "missing") in {"read", "write", "external"}
	not object.get(tool, "approval", false) == true
}

deny contains {"code": "REACH_MISSING", "message": "nothing says what the delegate may do"} if {
	delegates
	not reach_known
}

deny contains {"code": "CHAIN_MISSING", "message": "nothing says which roles stand behind this one"} if {
	delegates
	not chain_known
}

allow contains {"code": "DELEGATION_GRANTED", "message": "the role's contract names this delegate"} if {
	delegates
	count(deny) == 0
}

delegates if input.action.kind == "delegate"

named if input.action.delegate in input.role.delegates

# Those that would stand behind the delegate, the asking role included.
chain := array.concat(input.role.delegatedBy, [input.role.name])

# Rules of their own: `not is_array(x)` is undefined, not true, where x is missing.
chain_known if is_array(chain)

reach_known if is_array(input.action.reach)

trusted if input.context.label.integrity == "trusted"
