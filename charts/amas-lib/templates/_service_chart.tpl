{{/*
Makes a root with complete values of a dictionary that holds Helm's own root under "top": the library's defaults, and the
chart's values over them. It is filled in place, since a template answers with text alone.
*/}}
{{- define "amas-lib.fillRoot" -}}
{{- $defaults := deepCopy (index .top.Values "amas-lib") -}}
{{- $_ := set . "Values" (mustMergeOverwrite $defaults (deepCopy (omit .top.Values "amas-lib" "global"))) -}}
{{- range list "Release" "Chart" "Capabilities" "Template" "Files" -}}
{{- $_ := set $ . (index $.top .) -}}
{{- end -}}
{{- end -}}

{{/* Everything that a service's chart is: one include. */}}
{{- define "amas-lib.service" -}}
{{- $root := dict "top" . -}}
{{- include "amas-lib.fillRoot" $root }}
{{ include "amas-lib.serviceAccount" $root }}
{{ include "amas-lib.workload" $root }}
{{ include "amas-lib.services" $root }}
{{ include "amas-lib.certificates" $root }}
{{ include "amas-lib.podDisruptionBudget" $root }}
{{ include "amas-lib.networkPolicy" $root }}
{{ include "amas-lib.migration" $root }}
{{ include "amas-lib.opaConfig" $root }}
{{ include "amas-lib.routes" $root }}
{{ include "amas-lib.externalSecrets" $root }}
{{ include "amas-lib.podMonitor" $root }}
{{ include "amas-lib.scaledObject" $root }}
{{- if eq $root.Values.global.workload.kind "Rollout" }}
{{ include "amas-lib.analysisTemplates" $root }}
{{- end }}
{{- end -}}
