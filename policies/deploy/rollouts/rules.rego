# METADATA
# title: How releases of AMAS go out
# description: >-
#   Over rendered manifests. No weight without an analysis after it, no Rollout without weights, nothing that takes all
#   pods of a service at once.
package amas.deploy.rollouts

workloads contains document if {
	some document in input
	document.kind in ["Rollout", "Deployment"]
}

rollouts contains document if {
	some document in workloads
	document.kind == "Rollout"
}

steps(rollout) := object.get(rollout.spec, ["strategy", "canary", "steps"], [])

deny contains message if {
	some rollout in rollouts
	count([step | some step in steps(rollout); step.setWeight]) == 0
	message := sprintf("Rollout %s has no step: a release would not be judged", [rollout.metadata.name])
}

deny contains message if {
	some rollout in rollouts
	some index, step in steps(rollout)
	step.setWeight
	not judged(rollout, index)
	message := sprintf("Rollout %s gives the canary %d %% with no analysis after it", [rollout.metadata.name, step.setWeight])
}

judged(rollout, index) if steps(rollout)[index + 1].analysis

# An analysis that names a template which is not there would stop the release at its first step.
deny contains message if {
	some rollout in rollouts
	some step in steps(rollout)
	some template in step.analysis.templates
	not template.templateName in templates
	message := sprintf("Rollout %s asks for the AnalysisTemplate %s, which is not there", [rollout.metadata.name, template.templateName])
}

templates contains document.metadata.name if {
	some document in input
	document.kind == "AnalysisTemplate"
}

deny contains message if {
	some rollout in rollouts
	object.get(rollout.spec, ["strategy", "canary", "maxUnavailable"], -1) != 0
	message := sprintf("Rollout %s takes pods away before others are ready: set maxUnavailable to 0", [rollout.metadata.name])
}

deny contains message if {
	some workload in workloads
	not budgeted(workload.spec.template.metadata.labels)
	message := sprintf("%s %s has no PodDisruptionBudget", [workload.kind, workload.metadata.name])
}

budgeted(labels) if {
	some document in input
	document.kind == "PodDisruptionBudget"
	every key, value in document.spec.selector.matchLabels { labels[key] == value }
}
