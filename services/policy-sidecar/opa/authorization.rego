# METADATA
# title: What may be asked of OPA
# description: >-
#   Decisions, its health and its metrics, nothing else. Policies come from signed bundles alone, so not even who holds
#   the socket may put a policy, read one, or run a query of their own.
package system.authz

default allow := false

allow if {
	input.method == "POST"
	input.path = ["v1", "data", _, "amas", "main", "decision"]
}

allow if {
	input.method == "GET"
	input.path in [["health"], ["metrics"]]
}
