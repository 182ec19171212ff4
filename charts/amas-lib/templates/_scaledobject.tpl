{{/*
How many pods a service has (ADR 0036): by what waits and what is asked (KEDA), by CPU (a plain autoscaler), or as `replicas` says.
Questions that Prometheus does not answer are errors, never zeros: then no pod is taken away. Down to no pod at all goes
only what is woken by others than itself (ADR 0044), and then nothing is asked that a pod would have to tell.
*/}}

{{/* Not empty if something else than us decides how many pods there are. */}}
{{- define "amas-lib.scaled" -}}
{{- if ne .Values.autoscaling.kind "none" -}}true{{- end -}}
{{- end }}

{{- define "amas-lib.scaledObject" -}}
{{- $scaling := .Values.autoscaling -}}
{{- if ne $scaling.kind "none" }}
{{- if not (int $scaling.minReplicas) }}
{{- if not $scaling.zero.triggers }}{{ fail (printf "%s: autoscaling.minReplicas is at least 1: nothing would wake it; only the orchestrator may be scaled to zero" .Chart.Name) }}{{ end }}
{{- if ne $scaling.kind "keda" }}{{ fail (printf "%s: autoscaling.minReplicas 0 needs autoscaling.kind keda" .Chart.Name) }}{{ end }}
{{- end }}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) }}{{ fail (printf "%s: autoscaling.minReplicas is above maxReplicas" .Chart.Name) }}{{ end -}}
{{ include "amas-lib.scalerAuthentication" . }}
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

{{/* By which KEDA asks the database, as a role that may ask nothing else. */}}
{{- define "amas-lib.scalerAuthentication" -}}
{{- if and (eq .Values.autoscaling.kind "keda") (not (int .Values.autoscaling.minReplicas)) }}
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: {{ include "amas-lib.fullname" . }}-scaler
  namespace: {{ .Release.Namespace }}
  labels: {{- include "amas-lib.labels" . | nindent 4 }}
spec:
  secretTargetRef:
    - {parameter: password, name: {{ include "amas-lib.secretName" (dict "root" . "name" (printf "postgres-%s-scaler" .Chart.Name)) }}, key: password}
{{- end }}
{{- end }}

{{- define "amas-lib.kedaSpec" -}}
{{- $scaling := .Values.autoscaling -}}
{{- $root := . -}}
{{- $zero := not (int $scaling.minReplicas) -}}
minReplicaCount: {{ $scaling.minReplicas }}
maxReplicaCount: {{ $scaling.maxReplicas }}
pollingInterval: {{ $scaling.pollingSeconds }}
{{- if $zero }}
cooldownPeriod: {{ $scaling.zero.cooldownSeconds }}
initialCooldownPeriod: {{ $scaling.zero.cooldownSeconds }}
{{- end }}
fallback:
  failureThreshold: {{ $scaling.fallback.failureThreshold }}
  # Never zero: KEDA takes the last pod away in spite of an error if there is nothing to fall back to.
  replicas: {{ max 1 (default $scaling.minReplicas $scaling.fallback.replicas) }}
  # Blind is no reason to take pods away.
  behavior: currentReplicasIfHigher
advanced:
  horizontalPodAutoscalerConfig:
    behavior: {{- include "amas-lib.scalingBehavior" . | nindent 6 }}
triggers:
  {{- range $name, $trigger := ternary $scaling.zero.triggers $scaling.triggers $zero }}
  {{- $query := $trigger.query | replace "@pods@" (include "amas-lib.metricsOf" (dict "root" $root "service" $root.Chart.Name)) }}
  {{- $query = $query | replace "@gateway@" (include "amas-lib.metricsOf" (dict "root" $root "service" "gateway")) }}
  {{- $query = $query | replace "@ahead@" (toString $scaling.zero.aheadSeconds) }}
  {{- if eq (default "prometheus" $trigger.of) "database" }}
  - type: postgresql
    name: {{ $name }}
    metricType: {{ $trigger.metricType }}
    authenticationRef: {name: {{ include "amas-lib.fullname" $root }}-scaler}
    metadata:
      host: {{ default $root.Values.global.database.host $scaling.zero.databaseHost | quote }}
      port: {{ $root.Values.global.database.port | quote }}
      dbName: {{ $root.Values.global.database.name | quote }}
      userName: {{ printf "%s_scaler" $root.Values.wires.database.role }}
      sslmode: {{ $root.Values.global.database.sslMode }}
      targetQueryValue: {{ include "amas-lib.envValue" $trigger.threshold | quote }}
      query: {{ $query | quote }}
  {{- else }}
  - type: prometheus
    name: {{ $name }}
    metricType: {{ $trigger.metricType }}
    metadata:
      serverAddress: {{ $root.Values.global.prometheus.address | quote }}
      threshold: {{ include "amas-lib.envValue" $trigger.threshold | quote }}
      ignoreNullValues: "false"
      query: {{ $query | quote }}
  {{- end }}
  {{- end }}
{{- end }}

{{/* Label matchers of a service's own container. Arguments: root, service. */}}
{{- define "amas-lib.metricsOf" -}}
{{- printf `namespace="%s",app="%s",container="%s"` .root.Release.Namespace .service .service -}}
{{- end -}}

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
