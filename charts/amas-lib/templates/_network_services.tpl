{{/*
Services. gRPC's is headless: a ClusterIP would pin an HTTP/2 connection to one pod, while clients here balance over all
addresses of the name. Only ready pods are in it. The gateway has no callers inside, and one Service for its public ports.
*/}}
{{- define "amas-lib.services" -}}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ include "amas-lib.fullname" . }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "amas-lib.labels" . | nindent 4 }}
  {{- with .Values.service.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ .Values.service.type }}
  {{- if not .Values.wires.publicPorts }}
  clusterIP: None
  {{- end }}
  publishNotReadyAddresses: false
  selector: {{- include "amas-lib.selectorLabels" . | nindent 4 }}
  ports:
    {{- if not .Values.wires.publicPorts }}
    - {name: grpc, port: 8443, targetPort: grpc, appProtocol: https}
    {{- end }}
    {{- range .Values.ports }}
    - {name: {{ .name }}, port: {{ .port }}, targetPort: {{ .name }}{{ with .appProtocol }}, appProtocol: {{ . }}{{ end }}}
    {{- end }}
{{- end -}}

{{/* Gateway API routes at the edge, to a Gateway that the cluster's operators own. */}}
{{- define "amas-lib.routes" -}}
{{- $routes := .Values.routes | default dict -}}
{{- range $kind, $port := dict "HTTPRoute" 8000 "GRPCRoute" 8001 }}
{{- $route := index $routes (lower (trimSuffix "Route" $kind)) | default dict }}
{{- if $route.enabled }}
---
apiVersion: gateway.networking.k8s.io/v1
kind: {{ $kind }}
metadata:
  name: {{ include "amas-lib.fullname" $ }}
  namespace: {{ $.Release.Namespace }}
  labels: {{- include "amas-lib.labels" $ | nindent 4 }}
spec:
  parentRefs: {{- toYaml $route.parentRefs | nindent 4 }}
  {{- with $route.hostnames }}
  hostnames: {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    - backendRefs:
        - {name: {{ include "amas-lib.fullname" $ }}, port: {{ $port }}}
{{- end }}
{{- end }}
{{- end -}}
