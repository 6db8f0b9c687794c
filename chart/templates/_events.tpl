{{/*
The right to create Events, for whoever the migrator is to Kubernetes: an account of its own, or the one that the values name.
An application's pods (mode: initContainer) have an account of the application's.
*/}}
{{- define "shiplock.eventsName" -}}
{{- include "shiplock.fullname" . -}}
{{- if eq (include "shiplock.placement" .) "release" -}}-job{{- end -}}-events
{{- end -}}

{{- define "shiplock.eventsAccount" -}}
{{- if .Values.serviceAccount.name -}}
{{- tpl .Values.serviceAccount.name . -}}
{{- else -}}
{{- include "shiplock.eventsName" . -}}
{{- end -}}
{{- end -}}

{{/* Name, labels and annotations of dict "context" . "name" "..." "weight" N. */}}
{{- define "shiplock.metadata" -}}
metadata:
  name: {{ .name }}
  namespace: {{ .context.Release.Namespace }}
  labels:
    {{- include "shiplock.labels" .context | nindent 4 }}
  {{- with include "shiplock.objectAnnotations" (dict "context" .context "weight" .weight) }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end -}}
