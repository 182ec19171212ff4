# METADATA
# title: What pods of AMAS may be
# description: >-
#   Over rendered manifests, before anything is installed. The restricted profile of Pod Security, and what it leaves
#   open: read-only roots, no token but for the set-up and the operator, secrets as files alone, bounded memory, an end
#   that fits the drain.
#   The input is the list of all documents of a release.
package amas.deploy.pods

# Documents with a pod specification in them, and where it is.
specs contains {"of": name(document), "labels": labels(template), "spec": template.spec} if {
	some document in input
	some template in [object.get(document.spec, "template", {}), object.get(document.spec, ["jobTemplate", "spec", "template"], {})]
	template.spec.containers
}

specs contains {"of": name(document), "labels": labels(document), "spec": document.spec} if {
	some document in input
	document.kind == "Pod"
}

name(document) := sprintf("%s %s", [document.kind, document.metadata.name])

labels(template) := object.get(template.metadata, "labels", {})

containers(spec) := array.concat(object.get(spec, "initContainers", []), spec.containers)

placed contains {"of": pod.of, "spec": pod.spec, "container": container} if {
	some pod in specs
	some container in containers(pod.spec)
}

deny contains message if {
	some pod in specs
	not pod.spec.securityContext.runAsNonRoot == true
	message := sprintf("%s may run as root: set securityContext.runAsNonRoot", [pod.of])
}

deny contains message if {
	some pod in specs
	not pod.spec.securityContext.seccompProfile.type == "RuntimeDefault"
	message := sprintf("%s has no seccomp profile: set it to RuntimeDefault", [pod.of])
}

deny contains message if {
	some pod in specs
	some field in ["hostNetwork", "hostPID", "hostIPC"]
	object.get(pod.spec, field, false) != false
	message := sprintf("%s shares the node's namespaces: %s", [pod.of, field])
}

deny contains message if {
	some pod in specs
	some volume in object.get(pod.spec, "volumes", [])
	volume.hostPath
	message := sprintf("%s mounts the folder %s of the node", [pod.of, volume.hostPath.path])
}

# Only the set-up and the operator speak with the API server.
deny contains message if {
	some pod in specs
	object.get(pod.spec, "automountServiceAccountToken", true) != false
	not object.get(pod.labels, "app.kubernetes.io/component", "") in {"setup", "operator"}
	message := sprintf("%s has a token of the API server, which it does not use", [pod.of])
}

deny contains message if {
	some pod in specs
	object.get(pod.spec, "serviceAccountName", "default") == "default"
	object.get(pod.spec, "automountServiceAccountToken", true) != false
	message := sprintf("%s uses the namespace's default service account", [pod.of])
}

# Roles that can change or drop what is acknowledged: their passwords are where they are used, and nowhere else.
keepers := {"postgres-owner": "migration", "postgres-dropper": "archive-drop"}

deny contains message if {
	some pod in specs
	some volume in object.get(pod.spec, "volumes", [])
	keeper := keepers[volume.name]
	object.get(pod.labels, "app.kubernetes.io/component", "") != keeper
	message := sprintf("%s has the password %s, which is for pods of the component %s alone", [pod.of, volume.name, keeper])
}

deny contains message if {
	some found in placed
	not confined(found.container)
	message := sprintf("%s, container %s: privileges are not dropped, or its root can be written", [found.of, found.container.name])
}

confined(container) if {
	context := container.securityContext
	context.allowPrivilegeEscalation == false
	context.readOnlyRootFilesystem == true
	context.capabilities.drop == ["ALL"]
	not object.get(context.capabilities, "add", false)
	object.get(context, "privileged", false) == false
}

deny contains message if {
	some found in placed
	some variable in object.get(found.container, "env", [])
	variable.valueFrom.secretKeyRef
	message := sprintf("%s, container %s: %s holds a secret; mount it as a file", [found.of, found.container.name, variable.name])
}

deny contains message if {
	some found in placed
	not bounded(found.container)
	message := sprintf("%s, container %s: state requests of CPU and memory and a limit of memory", [found.of, found.container.name])
}

bounded(container) if {
	container.resources.requests.cpu
	container.resources.requests.memory
	container.resources.limits.memory
}

deny contains message if {
	some found in placed
	floating(found.container.image)
	message := sprintf("%s, container %s: %s names no version", [found.of, found.container.name, found.container.image])
}

floating(image) if endswith(image, ":latest")

floating(image) if {
	last := regex.split(`/`, image)[count(regex.split(`/`, image)) - 1]
	not regex.match(`[:@]`, last)
}

# A file that is mounted by subPath never changes again: a rotated certificate would not arrive.
deny contains message if {
	some found in placed
	some mount in object.get(found.container, "volumeMounts", [])
	mount.subPath
	message := sprintf("%s, container %s: %s is mounted by subPath, and would not follow its source", [found.of, found.container.name, mount.mountPath])
}

# What goes on beside a pod's containers is started, seen and ended as they are.
deny contains message if {
	some found in serving
	some probe in ["startupProbe", "livenessProbe"]
	not found.container[probe]
	message := sprintf("%s, container %s: it has no %s", [found.of, found.container.name, probe])
}

serving contains found if {
	some found in placed
	some pod in specs
	pod.of == found.of
	object.get(pod.labels, "app.kubernetes.io/component", "") == "service"
}

# The drain of the service and of its sidecars, one after the other, and the wait before it.
deny contains message if {
	some pod in specs
	object.get(pod.labels, "app.kubernetes.io/component", "") == "service"
	needed := sum([seconds |
		some container in containers(pod.spec)
		seconds := object.get(container, ["lifecycle", "preStop", "sleep", "seconds"], 0) + drain(container)
	])
	pod.spec.terminationGracePeriodSeconds < needed + 10
	message := sprintf("%s ends within %d s, but its containers may take %d s and 10 more", [pod.of, pod.spec.terminationGracePeriodSeconds, needed])
}

drain(container) := sum([to_number(variable.value) |
	some variable in object.get(container, "env", [])
	endswith(variable.name, "_DRAIN_TIMEOUT")
])
