{{/* Volumes of a serving pod, and what the service's own container sees of them. No secret is mounted by subPath: files
follow their Secret without a restart. */}}

{{/* Arguments: name, secret, optional items. Group-readable alone, by the pods' own fsGroup. */}}
{{- define "amas-lib.secretVolume" -}}
- name: {{ .name }}
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
    {{- with .items }}
    items: {{- toYaml . | nindent 6 }}
    {{- end }}
{{- end -}}

{{/* The volume of a database role's password. Arguments: root, role, mount. */}}
{{- define "amas-lib.roleVolume" -}}
{{- $name := printf "postgres-%s" (.role | trimPrefix "amas_" | replace "_" "-") -}}
{{ include "amas-lib.secretVolume" (dict "name" (printf "postgres-%s" .mount) "secret" (include "amas-lib.secretName" (dict "root" .root "name" $name))) }}
{{- end -}}

{{- define "amas-lib.volumes" -}}
{{ include "amas-lib.secretVolume" (dict "name" "tls" "secret" (include "amas-lib.secretName" (dict "root" . "name" (printf "%s-tls" .Chart.Name)))) }}
- name: tmp
  emptyDir: {sizeLimit: 256Mi}
{{- with .Values.wires.database }}
{{ include "amas-lib.roleVolume" (dict "root" $ "role" .role "mount" "service") }}
{{- range .further }}
{{ include "amas-lib.roleVolume" (dict "root" $ "role" .role "mount" .mount) }}
{{- end }}
{{- include "amas-lib.databaseCaVolume" $ }}
{{- end }}
{{- if or .Values.wires.redis .Values.policySidecar.enabled }}
{{- with .Values.global.redis.passwordSecret }}
{{- if .name }}
{{ include "amas-lib.secretVolume" (dict "name" "redis" "secret" .name "items" (list (dict "key" .key "path" "password"))) }}
{{- end }}
{{- end }}
{{- end }}
{{- range .Values.wires.secrets }}
{{ include "amas-lib.secretVolume" (dict "name" .mount "secret" (include "amas-lib.secretName" (dict "root" $ "name" .name))) }}
{{- end }}
{{- range include "amas-lib.namedSecrets" . | fromYamlArray }}
{{ include "amas-lib.secretVolume" (dict "name" .mount "secret" .name "items" .items) }}
{{- end }}
{{- range include "amas-lib.namedConfigs" . | fromYamlArray }}
- name: {{ .mount }}
  configMap: {name: {{ .name }}}
{{- end }}
{{- if .Values.policySidecar.enabled }}
{{ include "amas-lib.sidecarVolumes" . }}
{{- end }}
{{- end -}}

{{- define "amas-lib.mounts" -}}
- {name: tls, mountPath: /etc/amas/tls, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- with .Values.wires.database }}
- {name: postgres-service, mountPath: /etc/amas/postgres/service, readOnly: true}
{{- range .further }}
- {name: postgres-{{ .mount }}, mountPath: /etc/amas/postgres/{{ .mount }}, readOnly: true}
{{- end }}
{{- include "amas-lib.databaseCaMount" $ }}
{{- end }}
{{- if and .Values.wires.redis .Values.global.redis.passwordSecret.name }}
- {name: redis, mountPath: /etc/amas/redis, readOnly: true}
{{- end }}
{{- range .Values.wires.secrets }}
- {name: {{ .mount }}, mountPath: {{ .path }}, readOnly: true}
{{- end }}
{{- range concat (include "amas-lib.namedSecrets" . | fromYamlArray) (include "amas-lib.namedConfigs" . | fromYamlArray) }}
- {name: {{ .mount }}, mountPath: /etc/amas/{{ .mount }}, readOnly: true}
{{- end }}
{{- if .Values.policySidecar.enabled }}
- {name: policy-socket, mountPath: /run/amas/policy}
- {name: compiled, mountPath: /var/cache/amas}
{{- end }}
{{- end -}}

{{/* The authority of the database's certificate, where one is named: a volume, and its mount. */}}
{{- define "amas-lib.databaseCaVolume" -}}
{{- with .Values.global.database.caSecret }}
{{- if .name }}
{{ include "amas-lib.secretVolume" (dict "name" "database-ca" "secret" .name "items" (list (dict "key" .key "path" "ca.crt"))) }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "amas-lib.databaseCaMount" -}}
{{- if .Values.global.database.caSecret.name }}
- {name: database-ca, mountPath: /etc/amas/database-ca, readOnly: true}
{{- end }}
{{- end -}}

{{/* Secrets that the user names, by what they are for; each is mounted at /etc/amas/<mount>. */}}
{{- define "amas-lib.namedSecrets" -}}
{{- $found := list -}}
{{- with .Values.keysSecret }}{{ $found = append $found (dict "mount" "keys" "name" .) }}{{- end -}}
{{- with dig "publicTls" "secretName" "" .Values }}{{ $found = append $found (dict "mount" "public-tls" "name" .) }}{{- end -}}
{{- with dig "webhooks" "secret" "" .Values }}{{ $found = append $found (dict "mount" "webhook-secrets" "name" .) }}{{- end -}}
{{- $ca := dig "oidc" "caSecret" (dict) .Values -}}
{{- if $ca.name -}}
{{- $found = append $found (dict "mount" "oidc-ca" "name" $ca.name "items" (list (dict "key" $ca.key "path" "ca.crt"))) -}}
{{- end -}}
{{- toYaml $found -}}
{{- end -}}

{{- define "amas-lib.namedConfigs" -}}
{{- $found := list -}}
{{- with dig "webhooks" "configMap" "" .Values }}{{ $found = append $found (dict "mount" "webhooks" "name" .) }}{{- end -}}
{{- with .Values.witnesses }}{{ $found = append $found (dict "mount" "witnesses" "name" .) }}{{- end -}}
{{- toYaml $found -}}
{{- end -}}
