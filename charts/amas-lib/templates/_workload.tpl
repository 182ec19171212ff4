{{/* The workload: an Argo Rollout with a canary, or a Deployment. */}}
{{- define "amas-lib.workload" -}}
{{- $workload := .Values.global.workload -}}
{{- $rollout := eq $workload.kind "Rollout" -}}
---
apiVersion: {{ ternary "argoproj.io/v1alpha1" "apps/v1" $rollout }}
kind: {{ $workload.kind }}
metadata:
  name: {{ include "amas-lib.fullname" . }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "amas-lib.labels" . | nindent 4 }}
spec:
  {{- if not (include "amas-lib.scaled" .) }}
  replicas: {{ .Values.replicas }}
  {{- end }}
  revisionHistoryLimit: {{ $workload.revisionHistoryLimit }}
  progressDeadlineSeconds: {{ $workload.progressDeadlineSeconds }}
  selector:
    matchLabels: {{- include "amas-lib.selectorLabels" . | nindent 6 }}
  {{- if $rollout }}
  progressDeadlineAbort: true
  rollbackWindow:
    revisions: {{ $workload.rollbackWindowRevisions }}
  strategy:
    canary:
      maxSurge: 1
      maxUnavailable: 0
      {{- with include "amas-lib.canarySteps" . | trim }}
      steps: {{- . | nindent 8 }}
      {{- end }}
      {{- with include "amas-lib.canaryAnalysis" . | trim }}
      analysis: {{- . | nindent 8 }}
      {{- end }}
  {{- else }}
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  {{- end }}
  template: {{- include "amas-lib.podTemplate" . | nindent 4 }}
{{- end -}}
