# METADATA
# title: What may happen without a human, as the error budget burns
# description: >-
#   The enforcer says how much of its budget the role, and the service as a whole, has left, as a level that moves with
#   hysteresis; and how many approvals wait for people. A role whose contract says nothing of autonomy is not governed here.
package amas.autonomy.error_budget

# A level that is none of these counts as the strictest.
rank := {"full": 0, "reduced": 1, "minimal": 2, "none": 3}

# Who is asked where the contract names no approvers.
requirement := {"from": ["approvers"], "quorum": 1, "fourEyes": true, "expiresIn": 1800}

deny contains {"code": "AUTONOMY_NONE", "message": "the error budget is used up: no effect until it has recovered"} if {
	effectful
	severity == rank.none
}

escalate contains {"code": "AUTONOMY_MINIMAL", "message": "little of the error budget is left: every effect needs a human"} if {
	effectful
	severity == rank.minimal
}

escalate contains {"code": "AUTONOMY_REDUCED", "message": "the error budget burns: what leaves or cannot be undone needs a human"} if {
	effectful
	not writes
	severity == rank.reduced
}

# Asked by main where somebody new would be asked: nobody is sent more questions than can be answered.
busy contains {"code": "APPROVERS_BUSY", "message": "as many approvals wait for people as they can handle"} if {
	governed
	not room
}

governed if {
	input.action.kind == "tool"
	not ungoverned
}

# Rules of their own, so that what is missing counts as the stricter.
ungoverned if input.autonomy == null

effectful if {
	governed
	not reads
}

reads if input.action.effect == "read"

writes if input.action.effect == "write"

severity := max([severity_of("role"), severity_of("service")])

severity_of(subject) := object.get(rank, object.get(input, ["autonomy", subject, "level"], "missing"), rank.none)

# The contract states no capacity, or nobody new would be asked.
room if input.autonomy.approvers == null

room if {
	is_number(input.autonomy.approvers.waiting)
	is_number(input.autonomy.approvers.capacity)
	input.autonomy.approvers.waiting < input.autonomy.approvers.capacity
}
