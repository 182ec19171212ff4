# METADATA
# title: What was seen in the arguments leaves only as the contracts say
package amas.flow.dlp

# Asked about what a contract holds, where it names no approvers of its own.
requirement := {"from": ["approvers"], "quorum": 1, "fourEyes": true, "expiresIn": 1800}

deny contains {"code": "SENSITIVE_ARGUMENTS", "message": "the arguments hold what may not leave"} if {
	input.action.kind == "tool"
	count(input.action.dlp.denied) > 0
}

# Arguments that nobody looked through do not leave.
deny contains {"code": "ARGUMENTS_NOT_INSPECTED", "message": "nothing says what the arguments hold"} if {
	input.action.kind == "tool"
	not inspected
}

escalate contains {"code": "SENSITIVE_ARGUMENTS", "message": "the arguments hold what a human must let leave"} if {
	input.action.kind == "tool"
	count(input.action.dlp.held) > 0
}

inspected if {
	is_array(input.action.dlp.denied)
	is_array(input.action.dlp.held)
}
