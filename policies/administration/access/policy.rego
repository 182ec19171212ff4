# METADATA
# title: Who may administer a tenant
# description: >-
#   The gateway holds its own table before anything comes here; this one is the tenant's, which can only be narrower in
#   what it achieves. An agent administers nothing, whatever the person behind it may do.
package amas.administration.access

# Roles of the token, by verb. What is not named is refused to everybody.
verbs := {
	"apply": {"platform-admin"},
	"delete": {"platform-admin"},
	"acceptTool": {"platform-admin"},
	"revoke": {"platform-admin"},
	"restore": {"platform-admin"},
	"readAudit": {"auditor", "platform-admin"},
	"findSubject": {"auditor", "platform-admin"},
	"eraseContents": {"platform-admin"},
}

deny contains {"code": "ADMIN_VERB_UNKNOWN", "message": "no policy knows this act of administration"} if {
	administers
	not verb_known
}

deny contains {"code": "ADMIN_ROLE_MISSING", "message": "the principal has no role that may do this"} if {
	administers
	not entitled
}

deny contains {"code": "ADMIN_BY_AGENT", "message": "an agent administers nothing"} if {
	administers
	acts_as_role
}

allow contains {"code": "ADMIN_GRANTED", "message": "the principal may do this"} if {
	administers
	count(deny) == 0
}

administers if input.action.kind == "admin"

verb_known if verbs[input.action.verb]

entitled if {
	some role in input.principal.roles
	role in verbs[input.action.verb]
}

# Said by its absence too: only a word that there is no role counts.
acts_as_role if not without_role

without_role if input.role == null
