{{/*
The steps of a canary: so many pods, then a counted analysis, until the last, which decides. Without traffic routing a
weight is a share of the pods, so `replicas` decides how fine the steps are: 25 % needs four. The last weight stays below
100, because the stable pods are what a canary is compared with; after the last analysis all pods are replaced, where `approval` is asked for once a person has promoted it.
*/}}
{{- define "amas-lib.canarySteps" -}}
{{- $root := . -}}
{{- $delivery := include "amas-lib.delivery" . | fromYaml -}}
{{- if not $delivery.weights }}{{ fail "delivery.weights must name at least one weight, or a release would not be judged" }}{{ end -}}
{{- range $delivery.weights }}
{{- if or (lt (int .) 1) (gt (int .) 99) }}{{ fail "delivery.weights must be from 1 to 99: stable pods are needed to compare with" }}{{ end }}
- setWeight: {{ . }}
- analysis:
    templates:
      {{- range include "amas-lib.judged" $root | fromYamlArray }}
      - templateName: {{ include "amas-lib.fullname" $root }}-{{ .name }}
      {{- end }}
    args:
      - name: canary-hash
        valueFrom: {podTemplateHashValue: Latest}
      - name: stable-hash
        valueFrom: {podTemplateHashValue: Stable}
{{- end }}
{{- if $delivery.approval }}
- pause: {}
{{- end }}
{{- end }}

{{/* Nothing in the background: each step has its own analysis, and a step that fails ends the release at once. */}}
{{- define "amas-lib.canaryAnalysis" -}}
{{- end }}
