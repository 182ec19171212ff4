{{/* Names, labels and images. Every object of a release is named and labelled here. */}}

{{- define "amas-lib.fullname" -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* What selects the pods that serve. It never changes for a release. */}}
{{- define "amas-lib.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: service
{{- end -}}

{{- define "amas-lib.labels" -}}
{{ include "amas-lib.selectorLabels" . }}
{{ include "amas-lib.commonLabels" . }}
{{- end -}}

{{- define "amas-lib.commonLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: amas
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- end -}}

{{/* Labels of what belongs to a service and is no serving pod. Arguments: root, component. */}}
{{- define "amas-lib.componentLabels" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{ include "amas-lib.commonLabels" .root }}
{{- end -}}

{{/* What runs in the pods, as far as a label can say it. */}}
{{- define "amas-lib.version" -}}
{{- coalesce .Values.image.tag .Values.global.image.tag .Chart.AppVersion | trunc 63 | trimAll "-._" -}}
{{- end -}}

{{/* Image by digest, else by tag. Arguments: root, image (name, tag, digest), name (default). */}}
{{- define "amas-lib.image" -}}
{{- $global := .root.Values.global.image -}}
{{- $place := printf "%s/%s" (trimSuffix "/" $global.registry) (default .name .image.name) -}}
{{- if .image.digest -}}
{{ printf "%s@%s" $place .image.digest }}
{{- else -}}
{{ printf "%s:%s" $place (coalesce .image.tag $global.tag .root.Chart.AppVersion) }}
{{- end -}}
{{- end -}}

{{/* Name of a secret: what `global.secrets` says, else <release>-<default>. Arguments: root, name. */}}
{{- define "amas-lib.secretName" -}}
{{- default (printf "%s-%s" .root.Release.Name .name) (index .root.Values.global.secrets .name) -}}
{{- end -}}

{{/* gRPC target of another service of this release: all of its pods, by a headless Service. Arguments: root, service. */}}
{{- define "amas-lib.target" -}}
{{- printf "dns:///%s-%s.%s.svc:8443" .root.Release.Name .service .root.Release.Namespace -}}
{{- end -}}

{{/* A value as an environment variable has it: YAML's numbers come as floats, and 4194304 must not become 4.194304e+06. */}}
{{- define "amas-lib.envValue" -}}
{{- if kindIs "float64" . -}}
{{- if eq (floor .) . -}}{{ printf "%.0f" . }}{{- else -}}{{ toString . }}{{- end -}}
{{- else if or (kindIs "map" .) (kindIs "slice" .) -}}
{{ toJson . }}
{{- else -}}
{{ toString . }}
{{- end -}}
{{- end -}}
