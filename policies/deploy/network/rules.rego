# METADATA
# title: What pods of AMAS may reach, and who reaches them
# description: >-
#   Over rendered manifests. Every pod is under a policy for both directions; only the gateway is open to everybody; what
#   leaves the cluster leaves on named ports and not to private addresses; a name of gRPC leads to all of its pods.
package amas.deploy.network

policies contains document if {
	some document in input
	document.kind == "NetworkPolicy"
}

# Policies are made, or the release says that its cluster has none.
enforced if count(policies) > 0

deny contains message if {
	enforced
	some document in input
	some template in templates(document)
	template.spec.containers
	some direction in ["Ingress", "Egress"]
	not governed(object.get(template.metadata, "labels", {}), direction)
	message := sprintf("%s %s is under no NetworkPolicy for %s", [document.kind, document.metadata.name, direction])
}

# Of a workload, a CronJob, or the pod itself.
templates(document) := [
	object.get(document, ["spec", "template"], {}),
	object.get(document, ["spec", "jobTemplate", "spec", "template"], {}),
	object.filter(document, ["metadata", "spec"]),
]

governed(labels, direction) if {
	some policy in policies
	direction in policy.spec.policyTypes
	selector := object.get(policy.spec.podSelector, "matchLabels", {})
	every key, value in selector { object.get(labels, key, "") == value }
}

deny contains message if {
	some policy in policies
	some rule in object.get(policy.spec, "ingress", [])
	count(object.get(rule, "from", [])) == 0
	object.get(policy.spec.podSelector, ["matchLabels", "app.kubernetes.io/name"], "") != "gateway"
	message := sprintf("NetworkPolicy %s lets everybody in", [policy.metadata.name])
}

deny contains message if {
	some policy in policies
	some rule in object.get(policy.spec, "egress", [])
	count(object.get(rule, "to", [])) == 0
	message := sprintf("NetworkPolicy %s lets everything out", [policy.metadata.name])
}

deny contains message if {
	some policy in policies
	some direction in ["ingress", "egress"]
	some rule in object.get(policy.spec, direction, [])
	count(object.get(rule, "ports", [])) == 0
	message := sprintf("NetworkPolicy %s names no ports in a rule of %s", [policy.metadata.name, direction])
}

# They hold what can change or drop tables: they are asked by nobody, and ask for names and the database.
jobs := {"migration", "archive", "archive-drop"}

component(policy) := object.get(policy.spec.podSelector, ["matchLabels", "app.kubernetes.io/component"], "")

deny contains message if {
	some policy in policies
	component(policy) in jobs
	count(object.get(policy.spec, "ingress", [])) > 0
	message := sprintf("NetworkPolicy %s lets somebody in to a job, which answers nobody", [policy.metadata.name])
}

deny contains message if {
	some policy in policies
	component(policy) in jobs
	count([port |
		some rule in object.get(policy.spec, "egress", [])
		not names(rule)
		some port in rule.ports
	]) > 1
	message := sprintf("NetworkPolicy %s lets a job out to more than DNS and one port, its database's", [policy.metadata.name])
}

# DNS is all that is asked over UDP.
names(rule) if "UDP" in {object.get(port, "protocol", "TCP") | some port in rule.ports}

# 169.254.0.0/16 has the metadata of clouds, with their credentials.
deny contains message if {
	some policy in policies
	component(policy) in ({"service"} | jobs)
	some rule in object.get(policy.spec, "egress", [])
	some peer in object.get(rule, "to", [])
	peer.ipBlock.cidr == "0.0.0.0/0"
	not "169.254.0.0/16" in object.get(peer.ipBlock, "except", [])
	message := sprintf("NetworkPolicy %s lets pods out to any address, the metadata of clouds too", [policy.metadata.name])
}

# A ClusterIP pins an HTTP/2 connection to one pod.
deny contains message if {
	some document in input
	document.kind == "Service"
	some port in document.spec.ports
	port.port == 8443
	object.get(document.spec, "clusterIP", "") != "None"
	message := sprintf("Service %s has gRPC behind a ClusterIP: make it headless", [document.metadata.name])
}

deny contains message if {
	some document in input
	document.kind == "Service"
	object.get(document.spec, "publishNotReadyAddresses", false) != false
	message := sprintf("Service %s leads to pods that are not ready", [document.metadata.name])
}
