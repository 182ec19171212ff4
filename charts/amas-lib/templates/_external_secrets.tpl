{{/* Secrets that External Secrets Operator brings: `externalSecrets.data.<secret> = {<key>: <remote reference>}`. */}}
{{- define "amas-lib.externalSecrets" -}}
{{- $external := .Values.externalSecrets -}}
{{- range $name, $keys := $external.data }}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: {{ $name }}
  namespace: {{ $.Release.Namespace }}
  labels: {{- include "amas-lib.componentLabels" (dict "root" $ "component" "secret") | nindent 4 }}
spec:
  refreshInterval: {{ $external.refreshInterval }}
  secretStoreRef: {name: {{ required "externalSecrets.storeRef.name: the store to read from" $external.storeRef.name }}, kind: {{ $external.storeRef.kind }}}
  target: {name: {{ $name }}, creationPolicy: Owner}
  data:
    {{- range $key, $remote := $keys }}
    - secretKey: {{ $key }}
      remoteRef: {{- toYaml $remote | nindent 8 }}
    {{- end }}
{{- end }}
{{- end -}}
