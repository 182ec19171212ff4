{{- define "amas-lib.scaledObject" -}}{{- end -}}
