# METADATA
# title: What a decision log may say
# description: >-
#   Who asked for what, and what was decided. Everything else of the input and the result is left out by not being named
#   here: arguments, labels, texts. What has another shape than agreed is left out whole.
package system.log

mask contains {"op": "upsert", "path": "/input", "value": asked}

mask contains {"op": "upsert", "path": "/result", "value": decided}

mask contains "/input" if not asked

mask contains "/result" if not decided

mask contains "/nd_builtin_cache"

asked := {
	"principal": {"subject": input.input.principal.subject, "tenant": input.input.principal.tenant},
	"step": text(["run", "step"]),
	"role": {"name": text(["role", "name"]), "version": text(["role", "version"])},
}

# Acts without a run or a role have null in their place.
text(path) := value if {
	value := object.get(input.input, path, "")
	is_string(value)
} else := ""

decided := {
	"effect": input.result.effect,
	"codes": [reason.code | some reason in input.result.reasons],
}
