{{/* Everything that a service's chart is: one include. */}}
{{- define "amas-lib.service" -}}
{{- $defaults := deepCopy (index .Values "amas-lib") -}}
{{- $values := mustMergeOverwrite $defaults (deepCopy (omit .Values "amas-lib" "global")) -}}
{{- $root := dict "Values" $values "Release" .Release "Chart" .Chart "Capabilities" .Capabilities "Template" .Template "Files" .Files -}}
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
