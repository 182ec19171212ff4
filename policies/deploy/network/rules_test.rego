package amas.deploy.network_test

import data.amas.deploy.network

labels := {"app.kubernetes.io/name": "audit", "app.kubernetes.io/component": "service"}

policy := {
	"kind": "NetworkPolicy",
	"metadata": {"name": "audit"},
	"spec": {
		"podSelector": {"matchLabels": labels},
		"policyTypes": ["Ingress", "Egress"],
		"ingress": [{"from": [{"podSelector": {"matchLabels": labels}}], "ports": [{"port": 8443}]}],
		"egress": [{
			"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}}],
			"ports": [{"port": 443}],
		}],
	},
}

workload := {
	"kind": "Rollout",
	"metadata": {"name": "audit"},
	"spec": {"template": {"metadata": {"labels": labels}, "spec": {"containers": [{}]}}},
}

service := {"kind": "Service", "metadata": {"name": "audit"}, "spec": {"clusterIP": "None", "ports": [{"port": 8443}]}}

good := [policy, workload, service]

refused(patches) if {
	count(network.deny) == 0 with input as good
	count(network.deny) > 0 with input as json.patch(good, patches)
}

test_the_arrows_are_taken if count(network.deny) == 0 with input as good

test_a_cluster_without_policies_is_said if count(network.deny) == 0 with input as [workload, service]

test_a_pod_under_no_policy if {
	refused([{"op": "replace", "path": "/1/spec/template/metadata/labels/app.kubernetes.io~1name", "value": "x"}])
	refused([{"op": "replace", "path": "/0/spec/policyTypes", "value": ["Ingress"]}])
	pod := {"kind": "Pod", "metadata": {"name": "test"}, "spec": {"containers": [{}]}}
	refused([{"op": "add", "path": "/-", "value": pod}])
}

test_a_cron_job_under_no_policy if {
	template := {"metadata": {"labels": {}}, "spec": {"containers": [{}]}}
	cron := {"kind": "CronJob", "metadata": {"name": "rotation"}, "spec": {"jobTemplate": {"spec": {"template": template}}}}
	refused([{"op": "add", "path": "/-", "value": cron}])
}

test_everybody_reaches_the_gateway_alone if {
	open := {"op": "remove", "path": "/0/spec/ingress/0/from"}
	refused([open])
	gateway := {"op": "replace", "path": "/0/spec/podSelector/matchLabels/app.kubernetes.io~1name", "value": "gateway"}
	its := {"op": "replace", "path": "/1/spec/template/metadata/labels/app.kubernetes.io~1name", "value": "gateway"}
	count(network.deny) == 0 with input as json.patch(good, [open, gateway, its])
}

test_everything_out if refused([{"op": "replace", "path": "/0/spec/egress/0/to", "value": []}])

test_any_port if {
	refused([{"op": "remove", "path": "/0/spec/egress/0/ports"}])
	refused([{"op": "remove", "path": "/0/spec/ingress/0/ports"}])
}

test_metadata_of_clouds if {
	refused([{"op": "replace", "path": "/0/spec/egress/0/to/0/ipBlock/except", "value": ["10.0.0.0/8"]}])
}

# A migration's policy, which is narrower than a service's.
job := [
	{"op": "replace", "path": "/0/spec/podSelector/matchLabels/app.kubernetes.io~1component", "value": "migration"},
	{"op": "replace", "path": "/1/spec/template/metadata/labels/app.kubernetes.io~1component", "value": "migration"},
	{"op": "remove", "path": "/0/spec/ingress"},
	{"op": "replace", "path": "/0/spec/egress", "value": [
		{"to": [{"podSelector": {}}], "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]},
		{"to": [{"podSelector": {}}], "ports": [{"protocol": "TCP", "port": 5432}]},
	]},
]

test_a_job_asks_names_and_its_database if count(network.deny) == 0 with input as json.patch(good, job)

test_a_job_that_somebody_reaches if {
	rule := {"from": [{"podSelector": {}}], "ports": [{"port": 8080}]}
	refused(array.concat(job, [{"op": "add", "path": "/0/spec/ingress", "value": [rule]}]))
}

test_a_job_that_reaches_more_than_its_database if {
	port := {"protocol": "TCP", "port": 443}
	refused(array.concat(job, [{"op": "add", "path": "/0/spec/egress/1/ports/-", "value": port}]))
	rule := {"to": [{"podSelector": {}}], "ports": [port]}
	refused(array.concat(job, [{"op": "add", "path": "/0/spec/egress/-", "value": rule}]))
	anywhere := {"ipBlock": {"cidr": "0.0.0.0/0"}}
	refused(array.concat(job, [{"op": "add", "path": "/0/spec/egress/1/to/-", "value": anywhere}]))
}

test_grpc_behind_a_cluster_ip if refused([{"op": "remove", "path": "/2/spec/clusterIP"}])

test_pods_that_are_not_ready if refused([{"op": "add", "path": "/2/spec/publishNotReadyAddresses", "value": true}])
