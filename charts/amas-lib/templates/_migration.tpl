{{/*
Migrations before the new version's pods: a hook Job of the service's own image, as the owner of its tables. The version
that still runs works on meanwhile, so a migration must only add. It has no token and its own policy.
*/}}
{{- define "amas-lib.migration" -}}
{{- if .Values.migration.enabled }}
{{- $name := printf "%s-migrate" (include "amas-lib.fullname" .) }}
{{- $prefix := include "amas-lib.prefix" . }}
{{- $role := printf "%s_owner" .Values.wires.database.role }}
{{- range $weight, $kind := dict "-9" "ServiceAccount" "-8" "NetworkPolicy" }}
{{- if or (eq $kind "ServiceAccount") $.Values.global.networkPolicy.enabled }}
---
apiVersion: {{ ternary "v1" "networking.k8s.io/v1" (eq $kind "ServiceAccount") }}
kind: {{ $kind }}
metadata:
  name: {{ $name }}
  namespace: {{ $.Release.Namespace }}
  labels: {{- include "amas-lib.componentLabels" (dict "root" $ "component" "migration") | nindent 4 }}
  annotations: {{- include "amas-lib.hook" $weight | nindent 4 }}
{{- if eq $kind "ServiceAccount" }}
automountServiceAccountToken: false
{{- else }}
spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/name: {{ $.Chart.Name }}
      app.kubernetes.io/instance: {{ $.Release.Name }}
      app.kubernetes.io/component: migration
  policyTypes: [Ingress, Egress]
  egress:
    {{- include "amas-lib.dnsEgress" $ | nindent 4 }}
    {{- include "amas-lib.storeEgress" $.Values.global.networkPolicy.database | nindent 4 }}
{{- end }}
{{- end }}
{{- end }}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ $name }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "amas-lib.componentLabels" (dict "root" . "component" "migration") | nindent 4 }}
  annotations: {{- include "amas-lib.hook" "-5" | nindent 4 }}
spec:
  backoffLimit: 3
  activeDeadlineSeconds: 600
  # One that failed is kept for who looks, and not for ever.
  ttlSecondsAfterFinished: 3600
  template:
    metadata:
      labels: {{- include "amas-lib.componentLabels" (dict "root" . "component" "migration") | nindent 8 }}
    spec:
      restartPolicy: Never
      serviceAccountName: {{ $name }}
      {{- include "amas-lib.podSecurity" . | nindent 6 }}
      containers:
        - name: migrate
          image: {{ include "amas-lib.image" (dict "root" . "image" .Values.image "name" .Chart.Name) }}
          imagePullPolicy: {{ .Values.global.image.pullPolicy }}
          args: [migrate]
          {{- include "amas-lib.containerSecurity" . | nindent 10 }}
          env:
            {{- include "amas-lib.commonEnv" . | nindent 12 }}
            {{- $settings := include "amas-lib.settings" . | fromYaml }}
            {{- $owner := include "amas-lib.databaseSettings" (dict "root" $ "variable" "MIGRATION_DATABASE" "role" $role "mount" "owner") | fromYaml }}
            {{- include "amas-lib.envOf" (dict "prefix" $prefix "settings" (merge $owner $settings (deepCopy .Values.settings))) | indent 12 }}
          resources: {{- toYaml .Values.migration.resources | nindent 12 }}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
            - {name: postgres-owner, mountPath: /etc/amas/postgres/owner, readOnly: true}
            {{- include "amas-lib.databaseCaMount" . | indent 12 }}
      volumes:
        - name: tmp
          emptyDir: {sizeLimit: 64Mi}
        {{- include "amas-lib.roleVolume" (dict "root" $ "role" $role "mount" "owner") | nindent 8 }}
        {{- include "amas-lib.databaseCaVolume" . | indent 8 }}
{{- end }}
{{- end -}}

{{/* Annotations of a hook before installation and upgrade, with this weight. */}}
{{- define "amas-lib.hook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
