# METADATA
# title: What holds in production beyond what holds everywhere
# description: >-
#   Over rendered manifests that carry the label amas.dev/environment: production. Services go out as canaries that a
#   person promotes, with three pods or more, and every image is named by its content.
package amas.deploy.production

documents contains document if {
	some document in input
	object.get(document.metadata, ["labels", "amas.dev/environment"], "") == "production"
}

serving contains document if {
	some document in documents
	object.get(document, ["spec", "template", "metadata", "labels", "app.kubernetes.io/component"], "") == "service"
}

deny contains message if {
	some workload in serving
	workload.kind != "Rollout"
	message := sprintf("%s %s is not released as a canary: set global.workload.kind to Rollout", [workload.kind, workload.metadata.name])
}

deny contains message if {
	some workload in serving
	workload.kind == "Rollout"
	not approved(workload)
	message := sprintf("Rollout %s is promoted by nobody: set global.delivery.approval", [workload.metadata.name])
}

# A pause without a duration, after everything else.
approved(rollout) if {
	steps := object.get(rollout.spec, ["strategy", "canary", "steps"], [])
	steps[count(steps) - 1] == {"pause": {}}
}

deny contains message if {
	some workload in serving
	not spread(workload)
	message := sprintf("%s %s may have fewer than three pods", [workload.kind, workload.metadata.name])
}

spread(workload) if workload.spec.replicas >= 3

# Where a scaler decides, `replicas` is not there.
spread(workload) if {
	not workload.spec.replicas
	some scaler in documents
	scaler.spec.scaleTargetRef.name == workload.metadata.name
	object.get(scaler.spec, "minReplicaCount", object.get(scaler.spec, "minReplicas", 0)) >= 3
}

deny contains message if {
	some document in documents
	some path in [["template", "spec"], ["jobTemplate", "spec", "template", "spec"], []]
	spec := object.get(document.spec, path, {})
	some container in array.concat(object.get(spec, "initContainers", []), object.get(spec, "containers", []))
	not regex.match(`@sha256:[0-9a-f]{64}$`, container.image)
	message := sprintf("%s %s, container %s: %s is a name for whatever it leads to; give its digest", [document.kind, document.metadata.name, container.name, container.image])
}
