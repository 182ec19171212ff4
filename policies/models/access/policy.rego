# METADATA
# title: Who may use which model route
package amas.models.access

# A role calls models by the route of its contract; a person without a role needs one of these roles in the token.
direct := {"developer", "platform-admin"}

deny contains {"code": "ROUTE_NOT_GRANTED", "message": "the role's contract names another model route"} if {
	input.action.kind == "model"
	acts_as_role
	not input.role.route == input.action.route
}

deny contains {"code": "ROLE_MISSING", "message": "the principal has no role that may call a model directly"} if {
	input.action.kind == "model"
	not acts_as_role
	count({role | some role in input.principal.roles; role in direct}) == 0
}

allow contains {"code": "ROUTE_GRANTED", "message": "this model route may be used"} if {
	input.action.kind == "model"
	count(deny) == 0
}

acts_as_role if input.role != null
