{{- define "witness.name" -}}
{{- printf "%s-witness" (trimSuffix "-witness" (trimSuffix "witness" .Release.Name)) | trimPrefix "-" | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "witness.selectorLabels" -}}
app.kubernetes.io/name: witness
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: service
{{- end -}}

{{- define "witness.labels" -}}
{{ include "witness.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- end -}}

{{- define "witness.image" -}}
{{- $place := printf "%s/%s" (trimSuffix "/" .Values.image.registry) .Values.image.name -}}
{{- if .Values.image.digest -}}
{{ printf "%s@%s" $place .Values.image.digest }}
{{- else -}}
{{ printf "%s:%s" $place (default .Chart.AppVersion .Values.image.tag) }}
{{- end -}}
{{- end -}}
