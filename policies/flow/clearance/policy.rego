# METADATA
# title: Data goes only where its classification allows
package amas.flow.clearance

rank := {"public": 1, "internal": 2, "confidential": 3, "restricted": 4}

# Where the data would go: the role that acts, and for a model call the route too.
clearances contains input.role.clearance

clearances contains input.action.routeClearance if input.action.kind == "model"

deny contains {"code": "CLEARANCE_EXCEEDED", "message": "the context is more confidential than its receiver may see"} if {
	some clearance in clearances
	exceeds(input.context.label.confidentiality, object.get(clearance, "confidentiality", "missing"))
}

deny contains {"code": "CATEGORY_NOT_CLEARED", "message": "the context holds a category of data that its receiver may not see"} if {
	some clearance in clearances
	some category in input.context.label.categories
	not category in object.get(clearance, "categories", [])
}

deny contains {"code": "LABEL_MISSING", "message": "the context says nothing of what it holds"} if not labelled

deny contains {"code": "CLEARANCE_MISSING", "message": "nothing says what the receiver may see"} if count(clearances) == 0

labelled if {
	input.context.label.confidentiality
	is_array(input.context.label.categories)
}

# A label or a clearance that is none of the four exceeds everything: fail closed.
exceeds(label, clearance) if rank[label] > rank[clearance]

exceeds(label, _) if not rank[label]

exceeds(_, clearance) if not rank[clearance]
