{{/* Jobs on the archive's volume: a CronJob, with an account and a policy of its own. */}}

{{- define "audit.archiveClaim" -}}
{{- default (printf "%s-archive" (include "amas-lib.fullname" .)) .Values.archive.persistence.existingClaim -}}
{{- end -}}

{{/*
Arguments: root, component, args, schedule, settings, secrets (mounts of `wires.secrets` that it needs), role (which it is
beside the service's own, or ""), readOnly (whether it only reads the archive).
*/}}
{{- define "audit.archiveJob" -}}
{{- $root := .root -}}
{{- $network := $root.Values.global.networkPolicy -}}
{{- $name := printf "%s-%s" (include "amas-lib.fullname" $root) .component -}}
{{- $labels := include "amas-lib.componentLabels" (dict "root" $root "component" .component) }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- $labels | nindent 4 }}
automountServiceAccountToken: false
{{- if $network.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- $labels | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/name: {{ $root.Chart.Name }}
      app.kubernetes.io/instance: {{ $root.Release.Name }}
      app.kubernetes.io/component: {{ .component }}
  policyTypes: [Ingress, Egress]
  egress:
    {{- include "amas-lib.dnsEgress" $root | nindent 4 }}
    {{- include "amas-lib.storeEgress" $network.database | nindent 4 }}
{{- end }}
---
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- $labels | nindent 4 }}
spec:
  schedule: {{ .schedule | quote }}
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 3600
  successfulJobsHistoryLimit: 1
  failedJobsHistoryLimit: 3
  jobTemplate:
    metadata:
      labels: {{- $labels | nindent 8 }}
    spec:
      backoffLimit: 3
      # A pod whose volume is not there waits for it, and no longer than this.
      activeDeadlineSeconds: {{ int $root.Values.archive.deadlineSeconds }}
      template:
        metadata:
          labels: {{- $labels | nindent 12 }}
        spec: {{- include "audit.archivePod" (merge (dict "name" $name) .) | nindent 10 }}
{{- end -}}

{{/* Arguments: as above, and name. */}}
{{- define "audit.archivePod" -}}
{{- $root := .root -}}
{{- $secrets := .secrets -}}
{{- $wires := $root.Values.wires -}}
{{- $settings := include "amas-lib.settings" $root | fromYaml -}}
{{- $settings = mustMergeOverwrite $settings (deepCopy $root.Values.settings) .settings -}}
restartPolicy: Never
serviceAccountName: {{ .name }}
{{ include "amas-lib.podSecurity" $root }}
containers:
  - name: {{ .component }}
    image: {{ include "amas-lib.image" (dict "root" $root "image" $root.Values.image "name" $root.Chart.Name) }}
    imagePullPolicy: {{ $root.Values.global.image.pullPolicy }}
    args: {{- toYaml .args | nindent 6 }}
    {{- include "amas-lib.containerSecurity" $root | nindent 4 }}
    env:
      {{- include "amas-lib.commonEnv" $root | nindent 6 }}
      {{- include "amas-lib.envOf" (dict "prefix" (include "amas-lib.prefix" $root) "settings" $settings) | indent 6 }}
    resources: {{- toYaml $root.Values.archive.resources | nindent 6 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      - {name: archive, mountPath: /var/lib/amas/archive, readOnly: {{ .readOnly }}}
      - {name: postgres-service, mountPath: /etc/amas/postgres/service, readOnly: true}
      {{- if .role }}
      - {name: postgres-dropper, mountPath: /etc/amas/postgres/dropper, readOnly: true}
      {{- end }}
      {{- range $wires.secrets }}
      {{- if has .mount $secrets }}
      - {name: {{ .mount }}, mountPath: {{ .path }}, readOnly: true}
      {{- end }}
      {{- end }}
      {{- include "amas-lib.databaseCaMount" $root | indent 6 }}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
  - name: archive
    persistentVolumeClaim: {claimName: {{ include "audit.archiveClaim" $root }}}
  {{- include "amas-lib.roleVolume" (dict "root" $root "role" $wires.database.role "mount" "service") | nindent 2 }}
  {{- with .role }}
  {{- include "amas-lib.roleVolume" (dict "root" $root "role" . "mount" "dropper") | nindent 2 }}
  {{- end }}
  {{- range $wires.secrets }}
  {{- if has .mount $secrets }}
  {{- include "amas-lib.secretVolume" (dict "name" .mount "secret" (include "amas-lib.secretName" (dict "root" $root "name" .name))) | nindent 2 }}
  {{- end }}
  {{- end }}
  {{- include "amas-lib.databaseCaVolume" $root | indent 2 }}
{{- with $root.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
