{{/* OPA's own configuration: the files of services/policy-sidecar/opa, which scripts/build_charts.sh holds in step. */}}
{{- define "amas-lib.opaConfig" -}}
{{- if .Values.policySidecar.enabled }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "amas-lib.fullname" . }}-opa
  namespace: {{ .Release.Namespace }}
  labels: {{- include "amas-lib.labels" . | nindent 4 }}
data: {{- include "amas-lib.opaFiles" . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "amas-lib.configChecksum" -}}
{{- if .Values.policySidecar.enabled -}}{{ include "amas-lib.opaFiles" . | sha256sum }}{{- end -}}
{{- end -}}
