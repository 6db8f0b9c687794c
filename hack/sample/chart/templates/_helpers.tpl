{{- define "booking.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name -}}
{{- end -}}
{{- end -}}

{{- define "booking.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "booking.labels" -}}
{{ include "booking.selectorLabels" . }}
app.kubernetes.io/version: {{ .Values.image.tag | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* Shiplock's init containers, if enabled. */}}
{{- define "booking.initContainers" -}}
{{- if .Values.shiplock.enabled -}}
{{- if eq .Values.shiplock.mode "initContainer" -}}
{{- include "shiplock.initContainer" (dict "context" .) -}}
{{- else if .Values.waitForMigrations -}}
{{- include "shiplock.waitForMigrations" (dict "context" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
