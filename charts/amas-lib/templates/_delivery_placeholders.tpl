{{- define "amas-lib.canarySteps" -}}{{- end -}}
{{- define "amas-lib.canaryAnalysis" -}}{{- end -}}
{{- define "amas-lib.podMonitor" -}}{{- end -}}
{{- define "amas-lib.scaledObject" -}}{{- end -}}
{{- define "amas-lib.analysisTemplates" -}}{{- end -}}
