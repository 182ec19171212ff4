{{/*
Certificates by cert-manager. In the other modes the Secrets are made by the set-up hook, or exist. A certificate names
its service by a SPIFFE URI, and by the DNS name that clients of AMAS check.
*/}}
{{- define "amas-lib.certificates" -}}
{{- if eq .Values.global.certificates.mode "certManager" }}
{{ include "amas-lib.certificate" (dict "root" . "service" .Chart.Name) }}
{{- end }}
{{- end -}}

{{/* Arguments: root, service. */}}
{{- define "amas-lib.certificate" -}}
{{- $global := .root.Values.global -}}
{{- $issuer := $global.certificates.issuerRef -}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  name: {{ .root.Release.Name }}-{{ .service }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "amas-lib.componentLabels" (dict "root" .root "component" "certificate") | nindent 4 }}
spec:
  secretName: {{ include "amas-lib.secretName" (dict "root" .root "name" (printf "%s-tls" .service)) }}
  commonName: {{ .service }}
  uris: ["spiffe://{{ $global.trustDomain }}/ns/amas/sa/{{ .service }}"]
  dnsNames:
    - {{ .service }}.{{ $global.trustDomain }}
    {{- $host := printf "%s-%s" .root.Release.Name .service }}
    - {{ $host }}
    - {{ $host }}.{{ .root.Release.Namespace }}.svc
  duration: {{ $global.certificates.duration }}
  renewBefore: {{ $global.certificates.renewBefore }}
  privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: Always}
  usages: [digital signature, server auth, client auth]
  issuerRef:
    name: {{ required "global.certificates.issuerRef.name: the issuer of cert-manager that signs the services' certificates" $issuer.name }}
    kind: {{ $issuer.kind }}
    group: {{ $issuer.group }}
{{- end -}}
