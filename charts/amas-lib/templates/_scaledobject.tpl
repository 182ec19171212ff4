{{/*
How many pods a service has (ADR 0036): by what waits and what is asked (KEDA), by CPU (a plain autoscaler), or as `replicas` says.
Questions that Prometheus does not answer are errors, never zeros: then no pod is taken away.
*/}}

{{/* Not empty if something else than us decides how many pods there are. */}}
{{- define "amas-lib.scaled" -}}
{{- if ne .Values.autoscaling.kind "none" -}}true{{- end -}}
{{- end }}

{{- define "amas-lib.scaledObject" -}}
{{- $scaling := .Values.autoscaling -}}
{{- if ne $scaling.kind "none" }}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) }}{{ fail (printf "%s: autoscaling.minReplicas is above maxReplicas" .Chart.Name) }}{{ end -}}
---
{{ if eq $scaling.kind "keda" -}}
{{- if not $scaling.triggers }}{{ fail (printf "%s: autoscaling.kind keda needs autoscaling.triggers; use hpa to scale it by CPU" .Chart.Name) }}{{ end -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
{{- else -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
{{- end }}
metadata:
  name: {{ include "amas-lib.fullname" . }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "amas-lib.labels" . | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: {{ ternary "argoproj.io/v1alpha1" "apps/v1" (eq .Values.global.workload.kind "Rollout") }}
    kind: {{ .Values.global.workload.kind }}
    name: {{ include "amas-lib.fullname" . }}
  {{- if eq $scaling.kind "keda" }}
  {{- include "amas-lib.kedaSpec" . | nindent 2 }}
  {{- else }}
  minReplicas: {{ $scaling.minReplicas }}
  maxReplicas: {{ $scaling.maxReplicas }}
  metrics:
    - type: ContainerResource
      containerResource:
        name: cpu
        container: {{ .Chart.Name }}
        target: {type: Utilization, averageUtilization: {{ $scaling.averageCpuUtilization }}}
  behavior: {{- include "amas-lib.scalingBehavior" . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "amas-lib.kedaSpec" -}}
{{- $scaling := .Values.autoscaling -}}
{{- $root := . -}}
minReplicaCount: {{ $scaling.minReplicas }}
maxReplicaCount: {{ $scaling.maxReplicas }}
pollingInterval: {{ $scaling.pollingSeconds }}
fallback:
  failureThreshold: {{ $scaling.fallback.failureThreshold }}
  replicas: {{ default $scaling.minReplicas $scaling.fallback.replicas }}
  # Blind is no reason to take pods away.
  behavior: currentReplicasIfHigher
advanced:
  horizontalPodAutoscalerConfig:
    behavior: {{- include "amas-lib.scalingBehavior" . | nindent 6 }}
triggers:
  {{- range $name, $trigger := $scaling.triggers }}
  - type: prometheus
    name: {{ $name }}
    metricType: {{ $trigger.metricType }}
    metadata:
      serverAddress: {{ $root.Values.global.prometheus.address | quote }}
      threshold: {{ $trigger.threshold | quote }}
      ignoreNullValues: "false"
      query: {{ $trigger.query | replace "@pods@" (printf `namespace="%s",app="%s",container="%s"` $root.Release.Namespace $root.Chart.Name $root.Chart.Name) | quote }}
  {{- end }}
{{- end }}

{{/* Out at once, back slowly and few at a time: a pod that goes hands its runs over, which costs each a moment. */}}
{{- define "amas-lib.scalingBehavior" -}}
{{- $scaling := .Values.autoscaling -}}
scaleUp:
  stabilizationWindowSeconds: 0
  selectPolicy: Max
  policies:
    - {type: Percent, value: 100, periodSeconds: {{ $scaling.up.periodSeconds }}}
    - {type: Pods, value: {{ $scaling.up.pods }}, periodSeconds: {{ $scaling.up.periodSeconds }}}
scaleDown:
  stabilizationWindowSeconds: {{ $scaling.down.stabilizationSeconds }}
  selectPolicy: Max
  policies:
    - {type: Pods, value: {{ $scaling.down.pods }}, periodSeconds: {{ $scaling.down.periodSeconds }}}
{{- end }}
