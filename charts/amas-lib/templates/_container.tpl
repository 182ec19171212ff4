{{/* The container of the service itself. */}}
{{- define "amas-lib.container" -}}
name: {{ .Chart.Name }}
image: {{ include "amas-lib.image" (dict "root" . "image" .Values.image "name" .Chart.Name) }}
imagePullPolicy: {{ .Values.global.image.pullPolicy }}
{{ include "amas-lib.containerSecurity" . }}
env: {{- include "amas-lib.env" . | nindent 2 }}
ports:
  - {name: grpc, containerPort: 8443}
  - {name: http-metrics, containerPort: 8080}
  {{- range .Values.ports }}
  - {name: {{ .name }}, containerPort: {{ .port }}}
  {{- end }}
{{ include "amas-lib.probes" (dict "port" "http-metrics" "startupSeconds" .Values.startupSeconds "startup" "/healthz") }}
lifecycle:
  preStop:
    sleep: {seconds: {{ .Values.preStopSeconds }}}
resources: {{- toYaml .Values.resources | nindent 2 }}
volumeMounts: {{- include "amas-lib.mounts" . | nindent 2 }}
{{- end -}}

{{/*
HTTP probes: /readyz names what is failing, which gRPC's health service cannot (ADR 0035).
Arguments: port, startup (path that ends the start), startupSeconds.
*/}}
{{- define "amas-lib.probes" -}}
startupProbe:
  httpGet: {path: {{ .startup }}, port: {{ .port }}}
  periodSeconds: 1
  timeoutSeconds: 3
  failureThreshold: {{ .startupSeconds }}
livenessProbe:
  httpGet: {path: /healthz, port: {{ .port }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: {{ .port }}}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 3
{{- end -}}
