{{- define "operator.name" -}}
{{- printf "%s-operator" (trimSuffix "-operator" .Release.Name) | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "operator.selectorLabels" -}}
app.kubernetes.io/name: operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "operator.labels" -}}
{{ include "operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: amas
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- end -}}

{{- define "operator.image" -}}
{{- $place := printf "%s/%s" (trimSuffix "/" .Values.image.registry) .Values.image.name -}}
{{- if .Values.image.digest -}}
{{ printf "%s@%s" $place .Values.image.digest }}
{{- else -}}
{{ printf "%s:%s" $place (default .Chart.AppVersion .Values.image.tag) }}
{{- end -}}
{{- end -}}

{{/* Ports of a NetworkPolicy. */}}
{{- define "operator.ports" -}}
{{- range . }}
- {protocol: TCP, port: {{ int . }}}
{{- end }}
{{- end -}}
