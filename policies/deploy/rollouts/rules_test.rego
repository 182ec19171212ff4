package amas.deploy.rollouts_test

import data.amas.deploy.rollouts

labels := {"app.kubernetes.io/name": "audit"}

rollout := {
	"kind": "Rollout",
	"metadata": {"name": "audit"},
	"spec": {
		"strategy": {"canary": {
			"maxUnavailable": 0,
			"steps": [{"setWeight": 50}, {"analysis": {"templates": [{"templateName": "errors"}]}}],
		}},
		"template": {"metadata": {"labels": labels}},
	},
}

budget := {"kind": "PodDisruptionBudget", "metadata": {"name": "audit"}, "spec": {"selector": {"matchLabels": labels}}}

analysis := {"kind": "AnalysisTemplate", "metadata": {"name": "errors"}}

good := [rollout, budget, analysis]

refused(patches) if {
	count(rollouts.deny) == 0 with input as good
	count(rollouts.deny) > 0 with input as json.patch(good, patches)
}

test_a_judged_canary_is_taken if count(rollouts.deny) == 0 with input as good

test_a_deployment_has_no_canary if {
	deployment := {"kind": "Deployment", "metadata": {"name": "audit"}, "spec": {"template": {"metadata": {"labels": labels}}}}
	count(rollouts.deny) == 0 with input as [deployment, budget]
	count(rollouts.deny) == 1 with input as [deployment]
}

test_no_step if refused([{"op": "replace", "path": "/0/spec/strategy/canary/steps", "value": []}])

test_a_weight_without_analysis if {
	refused([{"op": "add", "path": "/0/spec/strategy/canary/steps/-", "value": {"setWeight": 75}}])
	refused([{"op": "add", "path": "/0/spec/strategy/canary/steps/0", "value": {"setWeight": 25}}])
}

test_an_analysis_that_is_not_there if refused([{"op": "remove", "path": "/2"}])

test_pods_taken_away_first if refused([{"op": "remove", "path": "/0/spec/strategy/canary/maxUnavailable"}])

test_no_budget if {
	refused([{"op": "remove", "path": "/1"}])
	refused([{"op": "replace", "path": "/1/spec/selector/matchLabels", "value": {"app.kubernetes.io/name": "x"}}])
}
