{{/*
Makes a root with complete globals of a dictionary that holds Helm's own root under "top". It is filled in place, since a
template answers with text alone, and Helm's objects do not come back from JSON as they were.
*/}}
{{- define "amas.fillRoot" -}}
{{- $_ := set . "Values" (merge (dict "global" (index .top.Values "amas-lib" "global")) (omit .top.Values "global")) -}}
{{- range list "Release" "Chart" "Capabilities" -}}
{{- $_ := set $ . (index $.top .) -}}
{{- end -}}
{{- end -}}

{{/* The Secrets that the set-up makes, by what they are for, as its program wants them named. */}}
{{- define "amas.setupSecretNames" -}}
{{- $tls := dict -}}
{{- range list "gateway" "orchestrator" "ai-router" "audit" "policy-sidecar" "auditor" }}{{ $_ := set $tls . (include "amas-lib.secretName" (dict "root" $ "name" (printf "%s-tls" .))) }}{{ end -}}
{{- $postgres := dict -}}
{{- range list "amas_audit" "amas_audit_owner" "amas_audit_eraser" "amas_audit_dropper" "amas_orchestrator" "amas_orchestrator_owner" "amas_orchestrator_scaler" "amas_ai_router" "amas_ai_router_owner" -}}
{{- $_ := set $postgres . (include "amas-lib.secretName" (dict "root" $ "name" (printf "postgres-%s" (. | trimPrefix "amas_" | replace "_" "-")))) -}}
{{- end -}}
{{- $secrets := dict "tls" $tls "postgres" $postgres -}}
{{- range $member, $name := dict "ca" "ca" "auditSigningKey" "audit-signing-key" "auditMasterKey" "audit-master-key" "pseudonyms" "pseudonyms" "opa" "opa" -}}
{{- $_ := set $secrets $member (include "amas-lib.secretName" (dict "root" $ "name" $name)) -}}
{{- end -}}
{{- toJson $secrets -}}
{{- end -}}

{{/* The same as a list. */}}
{{- define "amas.setupSecrets" -}}
{{- $secrets := include "amas.setupSecretNames" . | fromJson -}}
{{- $others := omit $secrets "tls" "postgres" -}}
{{- concat (values $secrets.tls) (values $secrets.postgres) (values $others) | uniq | sortAlpha | toYaml -}}
{{- end -}}

{{/* What the set-up Job is told (amas_cli.cluster.setup). */}}
{{- define "amas.setupDocument" -}}
{{- $global := .Values.global -}}
{{- $secrets := include "amas.setupSecretNames" . | fromJson -}}
{{- $setup := $global.database.setup -}}
{{- $database := dict "enabled" $setup.enabled "host" $global.database.host "port" (int $global.database.port) "name" $global.database.name "sslMode" $global.database.sslMode -}}
{{- if $global.database.caSecret.name }}{{ $_ := set $database "sslRootCertFile" "/etc/amas/database-ca/ca.crt" }}{{ end -}}
{{- if $setup.enabled }}
{{- $_ := required "global.database.setup.adminSecret.name: the Secret with the password of a role that may make roles; or set global.database.setup.enabled to false" $setup.adminSecret.name -}}
{{- $_ := set $database "adminUser" $setup.adminUser -}}
{{- $_ := set $database "adminPasswordFile" "/etc/amas/setup/admin/password" -}}
{{- end -}}
{{- $labels := dict "app.kubernetes.io/part-of" "amas" "app.kubernetes.io/instance" .Release.Name "app.kubernetes.io/managed-by" "amas-setup" -}}
{{- dict "release" .Release.Name "namespace" .Release.Namespace "trustDomain" $global.trustDomain "certificates" (dict "mode" $global.certificates.mode) "services" (list "gateway" "orchestrator" "ai-router" "audit" "policy-sidecar") "database" $database "secrets" $secrets "labels" $labels | toPrettyJson -}}
{{- end -}}
