{{/*
policy-sidecar and OPA as native sidecars: init containers that go on (restartPolicy Always). OPA comes first, so that it
ends last: the policy-sidecar waits for its last decision logs.
*/}}
{{- define "amas-lib.sidecars" -}}
- {{ include "amas-lib.opaContainer" . | indent 2 | trim }}
- {{ include "amas-lib.policySidecarContainer" . | indent 2 | trim }}
{{- end -}}

{{- define "amas-lib.opaContainer" -}}
{{- $opa := .Values.policySidecar.opa -}}
name: opa
image: {{ include "amas-lib.image" (dict "root" . "image" $opa.image "name" "opa") }}
imagePullPolicy: {{ .Values.global.image.pullPolicy }}
restartPolicy: Always
{{ include "amas-lib.containerSecurity" . }}
args:
  - run
  - --server
  - --addr=unix:///run/amas/opa/opa.sock
  - --unix-socket-perm=600
  - --diagnostic-addr=0.0.0.0:8282
  - --authorization=basic
  - --config-file=/etc/amas/opa-config/config.yaml
  - --set-file=keys.amas.key=/etc/amas/opa/signing.pub.pem
  - --skip-version-check
  - --log-level={{ $opa.logLevel }}
  - --shutdown-wait-period=1
  - /etc/amas/opa-config/authorization.rego
  - /etc/amas/opa-config/log_mask.rego
env:
  - {name: HOME, value: /tmp}
  - {name: AMAS_OPA_SIDECAR_URL, value: "http://127.0.0.1:8182"}
  - {name: AMAS_OPA_TOKEN_FILE, value: /etc/amas/opa/token}
ports:
  - {name: opa-metrics, containerPort: 8282}
# It answers before it has a policy: those come from the policy-sidecar, which starts after it.
startupProbe:
  httpGet: {path: /health, port: opa-metrics}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /health, port: opa-metrics}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
resources: {{- toYaml $opa.resources | nindent 2 }}
volumeMounts:
  - {name: opa-config, mountPath: /etc/amas/opa-config, readOnly: true}
  - {name: opa-public, mountPath: /etc/amas/opa, readOnly: true}
  - {name: opa-socket, mountPath: /run/amas/opa}
  - {name: opa-tmp, mountPath: /tmp}
{{- end -}}

{{- define "amas-lib.policySidecarContainer" -}}
{{- $sidecar := .Values.policySidecar -}}
name: policy-sidecar
image: {{ include "amas-lib.image" (dict "root" . "image" $sidecar.image "name" "policy-sidecar") }}
imagePullPolicy: {{ .Values.global.image.pullPolicy }}
restartPolicy: Always
{{ include "amas-lib.containerSecurity" . }}
env:
  {{- include "amas-lib.commonEnv" . | nindent 2 }}
  {{- $settings := include "amas-lib.policySidecarSettings" . | fromYaml }}
  {{- include "amas-lib.envOf" (dict "prefix" "AMAS_POLICY_SIDECAR_" "settings" (mustMergeOverwrite $settings (deepCopy $sidecar.settings))) | indent 2 }}
ports:
  - {name: sidecar-metrics, containerPort: 8081}
{{ include "amas-lib.probes" (dict "port" "sidecar-metrics" "startupSeconds" .Values.startupSeconds "startup" "/healthz") }}
resources: {{- toYaml $sidecar.resources | nindent 2 }}
volumeMounts:
  - {name: policy-tls, mountPath: /etc/amas/tls, readOnly: true}
  - {name: policy-tmp, mountPath: /tmp}
  - {name: policy-socket, mountPath: /run/amas/policy}
  - {name: opa-socket, mountPath: /run/amas/opa}
  - {name: opa-private, mountPath: /etc/amas/opa, readOnly: true}
  - {name: pseudonyms, mountPath: /etc/amas/pseudonyms, readOnly: true}
  - {name: compiled, mountPath: /var/cache/amas}
  - {name: workspace, mountPath: /workspace}
  {{- if .Values.global.redis.passwordSecret.name }}
  - {name: redis, mountPath: /etc/amas/redis, readOnly: true}
  {{- end }}
  {{- if $sidecar.credentialsSecret }}
  - {name: credentials, mountPath: /etc/amas/credentials, readOnly: true}
  {{- end }}
{{- end -}}

{{- define "amas-lib.policySidecarSettings" -}}
{{- $sidecar := .Values.policySidecar -}}
GRPC_LISTEN: unix:/run/amas/policy/policy.sock
HTTP_LISTEN: 0.0.0.0:8081
{{ include "amas-lib.identitySettings" . }}
DRAIN_TIMEOUT: {{ $sidecar.drainSeconds }}
{{ include "amas-lib.redisSettings" . }}
AUDIT_TARGET: {{ include "amas-lib.target" (dict "root" . "service" "audit") | quote }}
OPA_SOCKET: /run/amas/opa/opa.sock
OPA_TOKEN_FILE: /etc/amas/opa/token
OPA_SIGNING_KEY_FILE: /etc/amas/opa/signing.pem
TOOLS_WORKDIR: /workspace
PSEUDONYM_SECRET_FILE: /etc/amas/pseudonyms/secret
COMPILED_DIR: /var/cache/amas/compiled
SANDBOX: {{ $sidecar.sandbox }}
{{- if $sidecar.credentialsSecret }}
CREDENTIALS_DIR: /etc/amas/credentials
{{- end }}
{{- end -}}

{{- define "amas-lib.sidecarVolumes" -}}
{{- $opa := include "amas-lib.secretName" (dict "root" . "name" "opa") -}}
{{ include "amas-lib.secretVolume" (dict "name" "policy-tls" "secret" (include "amas-lib.secretName" (dict "root" . "name" "policy-sidecar-tls"))) }}
{{ include "amas-lib.secretVolume" (dict "name" "pseudonyms" "secret" (include "amas-lib.secretName" (dict "root" . "name" "pseudonyms"))) }}
{{ include "amas-lib.secretVolume" (dict "name" "opa-private" "secret" $opa "items" (list (dict "key" "token" "path" "token") (dict "key" "signing.pem" "path" "signing.pem"))) }}
{{ include "amas-lib.secretVolume" (dict "name" "opa-public" "secret" $opa "items" (list (dict "key" "token" "path" "token") (dict "key" "signing.pub.pem" "path" "signing.pub.pem"))) }}
{{- with .Values.policySidecar.credentialsSecret }}
{{ include "amas-lib.secretVolume" (dict "name" "credentials" "secret" .) }}
{{- end }}
- name: opa-config
  configMap: {name: {{ include "amas-lib.fullname" . }}-opa}
- name: policy-socket
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
- name: opa-socket
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
- name: policy-tmp
  emptyDir: {sizeLimit: 256Mi}
- name: opa-tmp
  emptyDir: {sizeLimit: 64Mi}
- name: compiled
  emptyDir: {sizeLimit: 128Mi}
- name: workspace
  emptyDir: {sizeLimit: 1Gi}
{{- end -}}
