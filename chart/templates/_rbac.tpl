{{/*
The name of the ServiceAccount, Role and RoleBinding that allow the migrator to create Events. With serviceAccount.name, and for the
application's pods (mode: initContainer), the RoleBinding refers to that account instead.
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
