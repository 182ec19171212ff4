{{/* What a canary is judged by (ADR 0036). The queries and limits are generated: _analysis_queries.tpl. */}}

{{/* Shared settings of releases, with those of this service over them. */}}
{{- define "amas-lib.delivery" -}}
{{- toYaml (mergeOverwrite (deepCopy .Values.global.delivery) (default dict .Values.delivery)) -}}
{{- end }}

{{/* A list of what is judged for this service. */}}
{{- define "amas-lib.judged" -}}
{{- $delivery := include "amas-lib.delivery" . | fromYaml -}}
{{- $judged := list -}}
{{- range index (include "amas-lib.analysisMetrics" . | fromYaml) .Chart.Name -}}
{{- if not (has .name $delivery.analysis.without) }}{{ $judged = append $judged . }}{{ end -}}
{{- end -}}
{{- if not $judged }}{{ fail (printf "%s: delivery.analysis.without leaves nothing that a canary is judged by; set global.workload.kind to Deployment instead" .Chart.Name) }}{{ end -}}
{{- toYaml $judged -}}
{{- end }}

{{/* Label matchers of one revision's pods; `arg` is what the AnalysisRun calls its hash. */}}
{{- define "amas-lib.revisionPods" -}}
{{- printf `namespace="%s",rollouts_pod_template_hash="{{args.%s}}"` .root.Release.Namespace .arg -}}
{{- end }}

{{- define "amas-lib.analysisTemplates" -}}
{{- if eq .Values.global.workload.kind "Rollout" -}}
{{- $root := . -}}
{{- $analysis := (include "amas-lib.delivery" . | fromYaml).analysis -}}
{{- $seconds := int $analysis.windowSeconds -}}
{{- if lt (int $analysis.count) (add 1 (int $analysis.inconclusiveLimit)) -}}
{{- fail "delivery.analysis.inconclusiveLimit must be below count, or a canary without traffic would pass" -}}
{{- end -}}
{{- range include "amas-lib.judged" . | fromYamlArray }}
{{- $limit := dig .name .limit $analysis.limits }}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata:
  name: {{ include "amas-lib.fullname" $root }}-{{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- include "amas-lib.labels" $root | nindent 4 }}
  annotations:
    amas.dev/promise: {{ .about | quote }}
spec:
  args:
    - name: canary-hash
    - name: stable-hash
  metrics:
    - name: {{ .name }}
      # Until callers have found the new pods, and the window holds nothing that was before: it, and two scrapes.
      initialDelay: {{ add $seconds (mul 2 (int $analysis.scrapeSeconds)) (int $root.Values.global.connectionAgeSeconds) }}s
      interval: {{ $analysis.intervalSeconds }}s
      count: {{ $analysis.count }}
      failureLimit: {{ $analysis.failureLimit }}
      inconclusiveLimit: {{ $analysis.inconclusiveLimit }}
      consecutiveErrorLimit: {{ $analysis.consecutiveErrorLimit }}
      # Neither holds without an answer: too little traffic is inconclusive, and never a pass.
      successCondition: len(result) > 0 && !isNaN(result[0]) && result[0] <= {{ $limit }}
      failureCondition: len(result) > 0 && !isNaN(result[0]) && result[0] > {{ $limit }}
      provider:
        prometheus:
          address: {{ $root.Values.global.prometheus.address | quote }}
          query: >-
            {{ .query
              | replace "@window@" (printf "%ds" $seconds)
              | replace "@seconds@" (toString $seconds)
              | replace "@minimum@" (toString (get $analysis.minimum .minimum))
              | replace "@canary@" (include "amas-lib.revisionPods" (dict "root" $root "arg" "canary-hash"))
              | replace "@stable@" (include "amas-lib.revisionPods" (dict "root" $root "arg" "stable-hash")) }}
{{- end }}
{{- end }}
{{- end }}
