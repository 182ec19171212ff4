{{/*
Default deny, and the arrows of the architecture. `wires.callers` are the services that may call this one, `wires.targets`
those that it calls. A sidecar shares its pod's network, so that its arrows are the pod's.
*/}}
{{- define "amas-lib.networkPolicy" -}}
{{- if .Values.global.networkPolicy.enabled }}
{{- $network := .Values.global.networkPolicy -}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "amas-lib.fullname" . }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "amas-lib.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "amas-lib.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- with .Values.wires.callers }}
    - from: {{- range . }}{{ include "amas-lib.peer" (dict "root" $ "service" .) | nindent 8 }}{{- end }}
      ports: [{protocol: TCP, port: 8443}]
    {{- end }}
    {{- if .Values.wires.publicPorts }}
    - ports: {{- include "amas-lib.ports" $network.public.ports | nindent 8 }}
      {{- with $network.public.peers }}
      from: {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- end }}
    {{- if and .Values.wires.logPort $network.logReaders.peers }}
    - from: {{- toYaml $network.logReaders.peers | nindent 8 }}
      ports: [{protocol: TCP, port: {{ .Values.wires.logPort }}}]
    {{- end }}
    {{- with $network.prometheus }}
    - from: {{- toYaml . | nindent 8 }}
      ports:
        - {protocol: TCP, port: 8080}
        {{- if $.Values.policySidecar.enabled }}
        - {protocol: TCP, port: 8081}
        - {protocol: TCP, port: 8282}
        {{- end }}
    {{- end }}
  egress:
    {{- include "amas-lib.dnsEgress" . | nindent 4 }}
    {{- $targets := .Values.wires.targets }}
    {{- if $targets }}
    - to: {{- range $targets }}{{ include "amas-lib.peer" (dict "root" $ "service" .) | nindent 8 }}{{- end }}
      ports: [{protocol: TCP, port: 8443}]
    {{- end }}
    {{- if .Values.wires.database }}
    {{- include "amas-lib.storeEgress" $network.database | nindent 4 }}
    {{- end }}
    {{- if or .Values.wires.redis .Values.policySidecar.enabled }}
    {{- include "amas-lib.storeEgress" $network.redis | nindent 4 }}
    {{- end }}
    {{- range .Values.wires.outside }}
    {{- with index $network . }}
    {{- if .peers }}
    - to: {{- toYaml .peers | nindent 8 }}
      ports: {{- include "amas-lib.ports" .ports | nindent 8 }}
    {{- end }}
    {{- end }}
    {{- end }}
    {{- if and .Values.witnesses $network.witnesses.peers }}
    - to: {{- toYaml $network.witnesses.peers | nindent 8 }}
      ports: {{- include "amas-lib.ports" $network.witnesses.ports | nindent 8 }}
    {{- end }}
    {{- if and .Values.global.otlpEndpoint $network.telemetry.peers }}
    {{- include "amas-lib.storeEgress" $network.telemetry | nindent 4 }}
    {{- end }}
{{- end }}
{{- end -}}

{{/* Serving pods of a service of this release. Arguments: root, service. */}}
{{- define "amas-lib.peer" -}}
- podSelector:
    matchLabels:
      app.kubernetes.io/name: {{ .service }}
      app.kubernetes.io/instance: {{ .root.Release.Name }}
      app.kubernetes.io/component: service
{{- end -}}

{{- define "amas-lib.ports" -}}
{{- range . }}
- {protocol: TCP, port: {{ . }}}
{{- end }}
{{- end -}}

{{- define "amas-lib.storeEgress" -}}
- to: {{- toYaml .peers | nindent 4 }}
  ports: [{protocol: TCP, port: {{ .port }}}]
{{- end -}}

{{- define "amas-lib.dnsEgress" -}}
{{- $dns := .Values.global.networkPolicy.dns -}}
- to:
    - namespaceSelector:
        matchLabels: {{- toYaml $dns.namespaceLabels | nindent 10 }}
      podSelector:
        matchLabels: {{- toYaml $dns.podLabels | nindent 10 }}
  ports:
    {{- range $dns.ports }}
    - {protocol: UDP, port: {{ . }}}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end -}}
