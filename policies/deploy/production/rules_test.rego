package amas.deploy.production_test

import data.amas.deploy.production

labels := {"amas.dev/environment": "production"}

image := "registry.example.com/amas/audit@sha256:0000000000000000000000000000000000000000000000000000000000000000"

template := {
	"metadata": {"labels": {"app.kubernetes.io/component": "service"}},
	"spec": {"initContainers": [{"name": "opa", "image": image}], "containers": [{"name": "audit", "image": image}]},
}

rollout := {
	"kind": "Rollout",
	"metadata": {"name": "audit", "labels": labels},
	"spec": {
		"replicas": 3,
		"strategy": {"canary": {"steps": [{"setWeight": 50}, {"analysis": {}}, {"pause": {}}]}},
		"template": template,
	},
}

job := {
	"kind": "CronJob",
	"metadata": {"name": "rotation", "labels": labels},
	"spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"name": "rotation", "image": image}]}}}}},
}

config := {"kind": "ConfigMap", "metadata": {"name": "settings", "labels": labels}}

scaler := {
	"kind": "ScaledObject",
	"metadata": {"name": "audit", "labels": labels},
	"spec": {"scaleTargetRef": {"name": "audit"}, "minReplicaCount": 3},
}

good := [rollout, job, scaler]

refused(patches) if {
	count(production.deny) == 0 with input as good
	count(production.deny) > 0 with input as json.patch(good, patches)
}

test_what_is_right if count(production.deny) == 0 with input as good

test_what_has_no_specification if count(production.deny) == 0 with input as [config]

test_other_environments_are_free if {
	patch := {"op": "replace", "path": "/metadata/labels/amas.dev~1environment", "value": "dev"}
	free := json.patch(json.remove(rollout, ["spec/replicas", "spec/strategy"]), [patch])
	count(production.deny) == 0 with input as [free]
}

test_no_canary if refused([{"op": "replace", "path": "/0/kind", "value": "Deployment"}])

test_nobody_promotes if {
	refused([{"op": "remove", "path": "/0/spec/strategy/canary/steps/2"}])
	refused([{"op": "replace", "path": "/0/spec/strategy/canary/steps/2/pause", "value": {"duration": "1h"}}])
	refused([{"op": "add", "path": "/0/spec/strategy/canary/steps/-", "value": {"setWeight": 75}}])
	refused([{"op": "remove", "path": "/0/spec/strategy"}])
}

test_few_pods if refused([{"op": "replace", "path": "/0/spec/replicas", "value": 2}])

test_a_scaler_decides if {
	scaled := {"op": "remove", "path": "/0/spec/replicas"}
	count(production.deny) == 0 with input as json.patch(good, [scaled])
	refused([scaled, {"op": "replace", "path": "/2/spec/minReplicaCount", "value": 2}])
	refused([scaled, {"op": "remove", "path": "/2/spec/minReplicaCount"}])
	refused([scaled, {"op": "replace", "path": "/2/spec/scaleTargetRef/name", "value": "other"}])
	hpa := {"op": "replace", "path": "/2/spec", "value": {"scaleTargetRef": {"name": "audit"}, "minReplicas": 3}}
	count(production.deny) == 0 with input as json.patch(good, [scaled, hpa])
}

test_an_image_by_its_tag if {
	tag := "registry.example.com/amas/audit:0.1.0"
	refused([{"op": "replace", "path": "/0/spec/template/spec/containers/0/image", "value": tag}])
	refused([{"op": "replace", "path": "/0/spec/template/spec/initContainers/0/image", "value": tag}])
	refused([{"op": "replace", "path": "/1/spec/jobTemplate/spec/template/spec/containers/0/image", "value": tag}])
	pod := {"kind": "Pod", "metadata": {"name": "test", "labels": labels}, "spec": {"containers": [{"name": "a", "image": tag}]}}
	refused([{"op": "add", "path": "/-", "value": pod}])
}
