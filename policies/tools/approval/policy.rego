# METADATA
# title: What the contract holds for a human, a human answers; what cannot be undone always waits for one
package amas.tools.approval

# Asked of an irreversible action whose contract names no approvers.
irreversible_requirement := {"from": ["approvers"], "quorum": 1, "fourEyes": true, "expiresIn": 1800}

escalate contains {"code": "APPROVAL_REQUIRED", "message": "the role's contract asks for an approval of this tool"} if {
	input.action.kind == "tool"
	input.grant.approval != null
}

escalate contains {"code": "IRREVERSIBLE", "message": "an action that cannot be undone needs an approval"} if {
	input.action.kind == "tool"
	input.action.effect == "irreversible"
}

requirement := input.grant.approval if input.grant.approval != null

requirement := irreversible_requirement if {
	input.action.effect == "irreversible"
	not contract_requires
}

contract_requires if input.grant.approval != null
