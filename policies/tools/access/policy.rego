# METADATA
# title: A role calls the tools that its contract grants, and no other
package amas.tools.access

effects := {"read", "write", "external", "irreversible"}

deny contains {"code": "ROLE_MISSING", "message": "a tool is called by a role, and there is none"} if {
	input.action.kind == "tool"
	not input.role.name
}

deny contains {"code": "TOOL_NOT_GRANTED", "message": "the role's contract does not grant this tool"} if {
	input.action.kind == "tool"
	not granted
}

deny contains {"code": "EFFECT_UNKNOWN", "message": "the tool's effect is none that policy knows"} if {
	input.action.kind == "tool"
	not effect_known
}

allow contains {"code": "TOOL_GRANTED", "message": "the role's contract grants this tool"} if {
	input.action.kind == "tool"
	granted
}

granted if input.grant.tool == input.action.tool

# A rule of its own: `not x in xs` is undefined, not true, where x is missing.
effect_known if input.action.effect in effects
