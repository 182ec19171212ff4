{{/* What Prometheus scrapes: the service, and beside it the policy-sidecar and OPA, under the service's `app`. */}}
{{- define "amas-lib.podMonitor" -}}
{{- $monitor := .Values.global.prometheus.podMonitor -}}
{{- if $monitor.enabled }}
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  name: {{ include "amas-lib.fullname" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "amas-lib.labels" . | nindent 4 }}
    {{- with $monitor.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  selector:
    matchLabels: {{- include "amas-lib.selectorLabels" . | nindent 6 }}
  podMetricsEndpoints:
    {{- $ports := list "http-metrics" -}}
    {{- if .Values.policySidecar.enabled }}{{ $ports = concat $ports (list "sidecar-metrics" "opa-metrics") }}{{ end -}}
    {{- range $ports }}
    - port: {{ . }}
      path: /metrics
      interval: {{ $monitor.intervalSeconds }}s
      scrapeTimeout: {{ $monitor.intervalSeconds }}s
      relabelings:
        # By these two labels the rules find a service, and analysis the pods of one revision.
        - sourceLabels: [__meta_kubernetes_pod_label_app_kubernetes_io_name]
          targetLabel: app
        - sourceLabels: [__meta_kubernetes_pod_label_rollouts_pod_template_hash]
          targetLabel: rollouts_pod_template_hash
    {{- end }}
{{- end }}
{{- end }}
