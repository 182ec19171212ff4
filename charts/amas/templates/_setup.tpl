{{/* What the set-up program needs around it. It runs as a hook, and as a CronJob that renews certificates. */}}

{{/* Account, leave to write secrets of this namespace, what it is told, and its way. Arguments: root, name, hook. */}}
{{- define "amas.setupAccess" -}}
{{- $root := .root -}}
{{- $global := $root.Values.global -}}
{{- $name := .name -}}
{{- $hook := .hook -}}
{{- $metadata := dict "name" $name "namespace" $root.Release.Namespace "labels" (include "amas-lib.componentLabels" (dict "root" $root "component" "setup") | fromYaml) -}}
{{- $first := $metadata -}}
{{- $second := $metadata -}}
{{- if $hook -}}
{{- $first = merge (dict "annotations" (include "amas-lib.hook" "-20" | fromYaml)) $metadata -}}
{{- $second = merge (dict "annotations" (include "amas-lib.hook" "-19" | fromYaml)) $metadata -}}
{{- end -}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{- toYaml $first | nindent 2 }}
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{- toYaml $first | nindent 2 }}
rules:
  # A name cannot be asked for before there is one, so making is free; reading and changing is of these Secrets alone.
  - apiGroups: [""]
    resources: [secrets]
    verbs: [create]
  - apiGroups: [""]
    resources: [secrets]
    verbs: [get, patch]
    resourceNames: {{- include "amas.setupSecrets" $root | nindent 6 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{- toYaml $second | nindent 2 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ $name }}}
subjects:
  - {kind: ServiceAccount, name: {{ $name }}, namespace: {{ $root.Release.Namespace }}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{- toYaml $first | nindent 2 }}
data:
  setup.json: |
    {{- include "amas.setupDocument" $root | nindent 4 }}
{{- if $global.networkPolicy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{- toYaml $second | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/name: {{ $root.Chart.Name }}
      app.kubernetes.io/instance: {{ $root.Release.Name }}
      app.kubernetes.io/component: setup
  policyTypes: [Ingress, Egress]
  egress:
    {{- include "amas-lib.dnsEgress" $root | nindent 4 }}
    {{- if $global.database.setup.enabled }}
    {{- include "amas-lib.storeEgress" $global.networkPolicy.database | nindent 4 }}
    {{- end }}
    - to: {{- toYaml $global.networkPolicy.apiServer.peers | nindent 8 }}
      ports: {{- include "amas-lib.ports" $global.networkPolicy.apiServer.ports | nindent 8 }}
{{- end }}
{{- end -}}

{{/* The pod template of the program. Arguments: root, name, arguments (list). */}}
{{- define "amas.setupPod" -}}
{{- $root := .root -}}
{{- $global := $root.Values.global -}}
{{- $admin := $global.database.setup.adminSecret -}}
metadata:
  labels: {{- include "amas-lib.componentLabels" (dict "root" $root "component" "setup") | nindent 4 }}
spec:
  restartPolicy: Never
  serviceAccountName: {{ .name }}
  {{- include "amas-lib.podSecurity" $root | replace "automountServiceAccountToken: false" "automountServiceAccountToken: true" | nindent 2 }}
  containers:
    - name: setup
      image: {{ include "amas-lib.image" (dict "root" $root "image" $root.Values.setup.image "name" "cli") }}
      imagePullPolicy: {{ $global.image.pullPolicy }}
      command: [/app/bin/python, -P, -m, amas_cli.cluster.setup]
      {{- with .arguments }}
      args: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- include "amas-lib.containerSecurity" $root | nindent 6 }}
      env:
        {{- include "amas-lib.commonEnv" $root | nindent 8 }}
        - {name: AMAS_SETUP_FILE, value: /etc/amas/setup/setup.json}
      resources: {{- toYaml $root.Values.setup.resources | nindent 8 }}
      volumeMounts:
        - {name: setup, mountPath: /etc/amas/setup, readOnly: true}
        - {name: tmp, mountPath: /tmp}
        {{- include "amas-lib.databaseCaMount" $root | indent 8 }}
  volumes:
    # One volume: what is told, and the administrator's password below it.
    - name: setup
      projected:
        defaultMode: 0440
        sources:
          - configMap: {name: {{ .name }}}
          {{- if $global.database.setup.enabled }}
          - secret:
              name: {{ $admin.name }}
              items: [{key: {{ $admin.key }}, path: admin/password}]
          {{- end }}
    - name: tmp
      emptyDir: {sizeLimit: 64Mi}
    {{- include "amas-lib.databaseCaVolume" $root | indent 4 }}
{{- end -}}
