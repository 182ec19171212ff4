package amas.deploy.pods_test

import data.amas.deploy.pods

container := {
	"name": "gateway",
	"image": "registry.example:5000/amas/gateway:1.0.0",
	"env": [{"name": "AMAS_GATEWAY_DRAIN_TIMEOUT", "value": "20"}],
	"securityContext": {
		"allowPrivilegeEscalation": false,
		"readOnlyRootFilesystem": true,
		"capabilities": {"drop": ["ALL"]},
	},
	"resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
	"startupProbe": {},
	"livenessProbe": {},
	"lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
	"volumeMounts": [{"name": "tls", "mountPath": "/tls"}],
}

good := [{
	"kind": "Deployment",
	"metadata": {"name": "gateway"},
	"spec": {"template": {
		"metadata": {"labels": {"app.kubernetes.io/component": "service"}},
		"spec": {
			"serviceAccountName": "gateway",
			"automountServiceAccountToken": false,
			"terminationGracePeriodSeconds": 35,
			"securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
			"containers": [container],
			"volumes": [{"name": "tls", "secret": {"secretName": "tls"}}],
		},
	}},
}]

refused(patches) if {
	count(pods.deny) == 0 with input as good
	count(pods.deny) > 0 with input as json.patch(good, patches)
}

at(path) := concat("", ["/0/spec/template/spec", path])

first(path) := concat("", ["/0/spec/template/spec/containers/0", path])

test_a_restricted_pod_is_taken if count(pods.deny) == 0 with input as good

test_a_bare_pod_counts_too if {
	pod := object.union(good[0].spec.template, {"kind": "Pod", "metadata": {"name": "test"}})
	count(pods.deny) == 0 with input as [pod]
	count(pods.deny) > 0 with input as json.patch([pod], [{"op": "remove", "path": "/0/spec/securityContext"}])
}

test_pods_of_cron_jobs_count_too if {
	cron := [{
		"kind": "CronJob",
		"metadata": {"name": "rotation"},
		"spec": {"jobTemplate": {"spec": {"template": good[0].spec.template}}},
	}]
	count(pods.deny) == 0 with input as cron
	path := "/0/spec/jobTemplate/spec/template/spec/securityContext"
	count(pods.deny) > 0 with input as json.patch(cron, [{"op": "remove", "path": path}])
}

test_root if refused([{"op": "replace", "path": at("/securityContext/runAsNonRoot"), "value": false}])

test_seccomp if refused([{"op": "remove", "path": at("/securityContext/seccompProfile")}])

test_passwords_that_can_change_what_is_acknowledged if {
	volume := {"op": "replace", "path": at("/volumes/0/name"), "value": "postgres-dropper"}
	refused([volume])
	label := "/0/spec/template/metadata/labels/app.kubernetes.io~1component"
	refused([volume, {"op": "replace", "path": label, "value": "migration"}])
	drops := {"op": "replace", "path": label, "value": "archive-drop"}
	count(pods.deny) == 0 with input as json.patch(good, [volume, drops])
}

test_namespaces_of_the_node if refused([{"op": "add", "path": at("/hostNetwork"), "value": true}])

test_folders_of_the_node if {
	refused([{"op": "add", "path": at("/volumes/-"), "value": {"name": "x", "hostPath": {"path": "/"}}}])
}

test_a_token if refused([{"op": "remove", "path": at("/automountServiceAccountToken")}])

test_the_set_up_and_the_operator_have_a_token_of_their_own_account if {
	every component in ["setup", "operator"] {
		changed := [
			{"op": "remove", "path": at("/automountServiceAccountToken")},
			{"op": "replace", "path": "/0/spec/template/metadata/labels/app.kubernetes.io~1component", "value": component},
		]
		count(pods.deny) == 0 with input as json.patch(good, changed)
		refused(array.concat(changed, [{"op": "remove", "path": at("/serviceAccountName")}]))
	}
}

test_privileges if {
	every patch in [
		{"op": "replace", "path": first("/securityContext/allowPrivilegeEscalation"), "value": true},
		{"op": "replace", "path": first("/securityContext/readOnlyRootFilesystem"), "value": false},
		{"op": "replace", "path": first("/securityContext/capabilities/drop"), "value": []},
		{"op": "add", "path": first("/securityContext/capabilities/add"), "value": ["SYS_ADMIN"]},
		{"op": "add", "path": first("/securityContext/privileged"), "value": true},
		{"op": "remove", "path": first("/securityContext")},
	] {
		refused([patch])
	}
}

test_sidecars_are_containers if {
	sidecar := object.remove(container, ["securityContext"])
	refused([{"op": "add", "path": at("/initContainers"), "value": [sidecar]}])
}

test_secrets_in_the_environment if {
	variable := {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}}
	refused([{"op": "add", "path": first("/env/-"), "value": variable}])
}

test_resources if {
	every path in ["/resources/requests/cpu", "/resources/requests/memory", "/resources/limits/memory"] {
		refused([{"op": "remove", "path": first(path)}])
	}
}

test_floating_images if {
	every image in ["gateway:latest", "registry.example:5000/amas/gateway"] {
		refused([{"op": "replace", "path": first("/image"), "value": image}])
	}
	digest := [{"op": "replace", "path": first("/image"), "value": "amas/gateway@sha256:0"}]
	count(pods.deny) == 0 with input as json.patch(good, digest)
}

test_sub_paths if refused([{"op": "add", "path": first("/volumeMounts/0/subPath"), "value": "tls.crt"}])

test_probes if {
	every probe in ["/startupProbe", "/livenessProbe"] {
		refused([{"op": "remove", "path": first(probe)}])
	}
}

test_an_end_that_is_too_short if {
	refused([{"op": "replace", "path": at("/terminationGracePeriodSeconds"), "value": 34}])
	refused([{"op": "add", "path": at("/initContainers"), "value": [container]}])
}
