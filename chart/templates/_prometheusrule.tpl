{{/*
The alerts, by kube-state-metrics and by what the migrator itself has pushed. A Job that has failed stays to be read until the
next release replaces it, and so does its alert; a try that was lost and made good is none.
*/}}
{{- define "shiplock.alerts" -}}
{{- $job := include "shiplock.fullname" . -}}
{{- if eq .Values.mode "job" -}}
{{- $job = printf "%s-[0-9a-f]{8}" $job -}}
{{- else if .Values.database.partOfRelease -}}
{{- $job = printf "%s(-[0-9a-f]{8})?" $job -}}
{{- end -}}
{{- if eq .Values.rollback.policy "down" -}}
{{- $job = printf "%s|%s-(rollback|undo)" $job (include "shiplock.fullname" .) -}}
{{- end -}}
{{- $logs := printf "kubectl -n %s logs job/{{ $labels.job_name }}" .Release.Namespace -}}
- alert: ShiplockMigrationFailed
  expr: kube_job_failed{condition="true", namespace="{{ .Release.Namespace }}", job_name=~"{{ $job }}"} > 0
  labels:
    {{- include "shiplock.alertLabels" . | nindent 4 }}
  annotations:
    {{- $texts := dict
      "summary" (printf "The migrations of release %s have failed; the release has stopped, and the version that ran goes on serving." .Release.Name)
      "description" (printf "Why, and what to do: %s" $logs) }}
    {{- toYaml (merge $texts .Values.prometheusRule.alertAnnotations) | nindent 4 }}
{{- if or .Values.notify.pushgateway.url .Values.notify.pushgateway.existingSecret.name }}
{{- $pushed := printf "namespace=%q, release=%q" .Release.Namespace .Release.Name }}
- alert: ShiplockLastRunFailed
  # Whoever runs the migrator, and whatever became of its Job. A Job's next try may come within these minutes.
  expr: shiplock_last_run_exit_code{ {{- $pushed -}} } != 0
  for: 5m
  labels:
    {{- include "shiplock.alertLabels" . | nindent 4 }}
  annotations:
    {{- $texts := dict
      "summary" (printf "The last run of release %s's migrations on {{ $labels.database }} ended with exit code {{ $value }}." .Release.Name)
      "description" "None that succeeded has come after it. Its log says why, and what to do; migrator status shows where the database is." }}
    {{- toYaml (merge $texts .Values.prometheusRule.alertAnnotations) | nindent 4 }}
{{- end }}
{{- end -}}

{{- define "shiplock.alertLabels" -}}
{{- toYaml (merge (dict "severity" .Values.prometheusRule.severity) .Values.prometheusRule.alertLabels) -}}
{{- end -}}
