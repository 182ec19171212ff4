{{/* The pod of a service: restricted, without a token, with its sidecars, ending within its grace period. */}}
{{- define "amas-lib.podTemplate" -}}
metadata:
  # No chart version here: a chart's new number alone restarts nothing.
  labels: {{- include "amas-lib.selectorLabels" . | nindent 4 }}
    app.kubernetes.io/part-of: amas
    app.kubernetes.io/version: {{ include "amas-lib.version" . | quote }}
    {{- with .Values.podLabels }}{{ toYaml . | nindent 4 }}{{- end }}
  annotations:
    kubectl.kubernetes.io/default-container: {{ .Chart.Name }}
    {{- with include "amas-lib.configChecksum" . }}
    checksum/config: {{ . }}
    {{- end }}
    {{- with .Values.podAnnotations }}{{ toYaml . | nindent 4 }}{{- end }}
spec:
  serviceAccountName: {{ include "amas-lib.fullname" . }}
  {{- include "amas-lib.podSecurity" . | nindent 2 }}
  {{- with .Values.global.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  terminationGracePeriodSeconds: {{ include "amas-lib.gracePeriod" . }}
  {{- if .Values.policySidecar.enabled }}
  initContainers: {{- include "amas-lib.sidecars" . | nindent 4 }}
  {{- end }}
  containers:
    - {{ include "amas-lib.container" . | indent 6 | trim }}
  volumes: {{- include "amas-lib.volumes" . | nindent 4 }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .Values.topologySpread.enabled }}
  topologySpreadConstraints:
    {{- range .Values.topologySpread.topologyKeys }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: {{ $.Values.topologySpread.whenUnsatisfiable }}
      labelSelector:
        matchLabels: {{- include "amas-lib.selectorLabels" $ | nindent 10 }}
    {{- end }}
  {{- end }}
{{- end -}}

{{/* What holds for each pod of ours, jobs too: the restricted profile of Pod Security, and no way to the API server. */}}
{{- define "amas-lib.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.global.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "amas-lib.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  privileged: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{/*
preStop, the drain of the service, then that of its sidecars, which end one after the other once it is gone; and ten
seconds for hooks and the flush of telemetry.
*/}}
{{- define "amas-lib.gracePeriod" -}}
{{- $seconds := add .Values.preStopSeconds .Values.drainSeconds 10 -}}
{{- if .Values.policySidecar.enabled -}}
{{- $seconds = add $seconds .Values.policySidecar.drainSeconds 10 -}}
{{- end -}}
{{ $seconds }}
{{- end -}}

{{- define "amas-lib.serviceAccount" -}}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "amas-lib.fullname" . }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "amas-lib.labels" . | nindent 4 }}
  {{- with .Values.serviceAccount.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end -}}
