# METADATA
# title: Data goes only where its classification allows
package amas.flow.clearance

rank := {"public": 1, "internal": 2, "confidential": 3, "restricted": 4}

# Where the data would go: the role that acts, for a model call the route too, and for a tool what its server says of it.
clearances contains input.role.clearance

clearances contains input.action.routeClearance if input.action.kind == "model"

clearances contains input.action.clearance if stated

stated if {
	input.action.kind == "tool"
	not is_null(input.action.clearance)
}

deny contains {"code": "CLEARANCE_EXCEEDED", "message": "the context is more confidential than its receiver may see"} if {
	some clearance in clearances
	exceeds(input.context.label.confidentiality, level(clearance))
}

deny contains {"code": "CATEGORY_NOT_CLEARED", "message": "the context holds a category of data that its receiver may not see"} if {
	some clearance in clearances
	some category in input.context.label.categories
	not category in cleared(clearance)
}

deny contains {"code": "LABEL_MISSING", "message": "the context says nothing of what it holds"} if not labelled

deny contains {"code": "CLEARANCE_MISSING", "message": "nothing says what the receiver may see"} if count(clearances) == 0

labelled if {
	input.context.label.confidentiality
	is_array(input.context.label.categories)
}

# Of a clearance in any other shape nothing is known, and nothing cleared.
level(clearance) := clearance.confidentiality if is_string(clearance.confidentiality)

else := "missing"

cleared(clearance) := clearance.categories if is_array(clearance.categories)

else := []

# A label or a clearance that is none of the four exceeds everything: fail closed.
exceeds(label, clearance) if rank[label] > rank[clearance]

exceeds(label, _) if not rank[label]

exceeds(_, clearance) if not rank[clearance]
