{{/* How few pods there may be, and a HorizontalPodAutoscaler for clusters without KEDA. */}}
{{- define "amas-lib.podDisruptionBudget" -}}
{{- if .Values.podDisruptionBudget.enabled }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "amas-lib.fullname" . }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "amas-lib.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ .Values.podDisruptionBudget.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "amas-lib.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end -}}

{{- define "amas-lib.horizontalPodAutoscaler" -}}
{{- $hpa := .Values.hpa -}}
{{- if $hpa.enabled }}
{{- $rollout := eq .Values.global.workload.kind "Rollout" }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "amas-lib.fullname" . }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "amas-lib.labels" . | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: {{ ternary "argoproj.io/v1alpha1" "apps/v1" $rollout }}
    kind: {{ .Values.global.workload.kind }}
    name: {{ include "amas-lib.fullname" . }}
  minReplicas: {{ $hpa.minReplicas }}
  maxReplicas: {{ $hpa.maxReplicas }}
  metrics:
    - type: ContainerResource
      containerResource:
        name: cpu
        container: {{ .Chart.Name }}
        target: {type: Utilization, averageUtilization: {{ $hpa.averageCpuUtilization }}}
  behavior:
    scaleDown:
      stabilizationWindowSeconds: 300
      policies: [{type: Pods, value: 1, periodSeconds: 60}]
{{- end }}
{{- end -}}
