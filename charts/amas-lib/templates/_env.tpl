{{/* Settings as environment variables; names are those of each service's README. */}}

{{/* A map of settings as sorted variables, each with a line break before it. Arguments: prefix, settings. */}}
{{- define "amas-lib.envOf" -}}
{{- range $name, $value := .settings }}
- {name: {{ printf "%s%s" $.prefix $name }}, value: {{ include "amas-lib.envValue" $value | quote }}}
{{- end }}
{{- end -}}

{{- define "amas-lib.prefix" -}}
{{- printf "AMAS_%s_" (.Chart.Name | replace "-" "_" | upper) -}}
{{- end -}}

{{/* What every process of ours gets. */}}
{{- define "amas-lib.commonEnv" -}}
- {name: HOME, value: /tmp}
- {name: LANG, value: C.UTF-8}
- {name: MALLOC_ARENA_MAX, value: "2"}
- {name: PYTHONUNBUFFERED, value: "1"}
- {name: PYTHONDONTWRITEBYTECODE, value: "1"}
{{- end -}}

{{- define "amas-lib.env" -}}
{{- $prefix := include "amas-lib.prefix" . -}}
{{ include "amas-lib.commonEnv" . }}
{{- $settings := include "amas-lib.settings" . | fromYaml }}
{{- include "amas-lib.envOf" (dict "prefix" $prefix "settings" (mustMergeOverwrite $settings (deepCopy .Values.settings))) }}
{{- if dig "oidc" "caSecret" "name" "" .Values }}
- {name: SSL_CERT_FILE, value: /etc/amas/oidc-ca/ca.crt}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What the chart decides of a service's settings, from the values: `wires` of the chart says which it needs. */}}
{{- define "amas-lib.settings" -}}
{{- $global := .Values.global -}}
GRPC_LISTEN: 0.0.0.0:8443
HTTP_LISTEN: 0.0.0.0:8080
{{ include "amas-lib.identitySettings" . }}
DRAIN_TIMEOUT: {{ .Values.drainSeconds }}
{{- range .Values.wires.targets }}
{{ . | replace "-" "_" | upper }}_TARGET: {{ include "amas-lib.target" (dict "root" $ "service" .) | quote }}
{{- end }}
{{- if .Values.policySidecar.enabled }}
POLICY_TARGET: unix:/run/amas/policy/policy.sock
{{- end }}
{{- with .Values.wires.database }}
{{ include "amas-lib.databaseSettings" (dict "root" $ "variable" "DATABASE" "role" .role "mount" "service") }}
{{- range .further }}
{{ include "amas-lib.databaseSettings" (dict "root" $ "variable" .variable "role" .role "mount" .mount) }}
{{- end }}
{{- end }}
{{- if .Values.wires.redis }}
{{ include "amas-lib.redisSettings" . }}
{{- end }}
{{- with .Values.oidc }}
OIDC_ISSUER: {{ required "gateway.oidc.issuer: the https URL of the issuer whose tokens are taken" .issuer | quote }}
OIDC_AUDIENCE: {{ .audience | quote }}
{{- end }}
{{- with .Values.publicTls }}
{{- if .secretName }}
PUBLIC_TLS_CERT_FILE: /etc/amas/public-tls/tls.crt
PUBLIC_TLS_KEY_FILE: /etc/amas/public-tls/tls.key
{{- else }}
PUBLIC_PLAINTEXT: {{ .plaintext }}
{{- end }}
{{- end }}
{{- with .Values.keysSecret }}
KEYS_DIR: /etc/amas/keys
{{- end }}
{{- with .Values.webhooks }}
{{- if .configMap }}
WEBHOOKS_FILE: /etc/amas/webhooks/webhooks.json
WEBHOOK_SECRETS_DIR: /etc/amas/webhook-secrets
{{- end }}
{{- end }}
{{- with .Values.witnesses }}
WITNESSES_FILE: /etc/amas/witnesses/witnesses.txt
{{- end }}
{{- range $name, $value := .Values.wires.settings }}
{{ $name }}: {{ include "amas-lib.envValue" $value | quote }}
{{- end }}
{{- end -}}

{{- define "amas-lib.identitySettings" -}}
TLS_CERT_FILE: /etc/amas/tls/tls.crt
TLS_KEY_FILE: /etc/amas/tls/tls.key
TLS_CA_FILE: /etc/amas/tls/ca.crt
TRUST_DOMAIN: {{ .Values.global.trustDomain | quote }}
LOG_LEVEL: {{ .Values.global.logLevel }}
CONNECTION_AGE: {{ .Values.global.connectionAgeSeconds }}
{{- with .Values.global.otlpEndpoint }}
OTLP_ENDPOINT: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* Arguments: root, variable (prefix of the pair), role, mount (folder below /etc/amas/postgres). */}}
{{- define "amas-lib.databaseSettings" -}}
{{- $database := .root.Values.global.database -}}
{{- $parameters := printf "sslmode=%s" $database.sslMode -}}
{{- if $database.caSecret.name }}{{ $parameters = printf "%s&sslrootcert=/etc/amas/database-ca/ca.crt" $parameters }}{{ end -}}
{{ .variable }}_URL: {{ printf "postgresql://%s@%s:%v/%s?%s" .role $database.host $database.port $database.name $parameters | quote }}
{{ .variable }}_PASSWORD_FILE: {{ printf "/etc/amas/postgres/%s/password" .mount | quote }}
{{- end -}}

{{- define "amas-lib.redisSettings" -}}
{{- $redis := .Values.global.redis -}}
REDIS_URL: {{ printf "redis://%s:%v/%v" $redis.host $redis.port $redis.database | quote }}
{{- if $redis.passwordSecret.name }}
REDIS_PASSWORD_FILE: /etc/amas/redis/password
{{- end }}
{{- end -}}
