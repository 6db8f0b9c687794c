{{/*
The alerts, from kube-state-metrics and from the metrics that the migrator pushes. A failed Job and its alert remain until the next release. A
failed attempt of a Job that succeeds later does not fire an alert.
*/}}
{{- define "shiplock.alerts" -}}
{{- $job := include "shiplock.fullname" . -}}
{{- if eq .Values.mode "job" -}}
{{- $job = printf "%s-[0-9a-f]{8}" $job -}}
{{- else if .Values.database.partOfRelease -}}
{{- $job = printf "%s(-[0-9a-f]{8})?" $job -}}
{{- end -}}
{{- if eq .Values.rollback.policy "down" -}}
{{- $job = printf "%s|%s-(rollback|down)" $job (include "shiplock.fullname" .) -}}
{{- end -}}
{{- $logs := printf "kubectl -n %s logs job/{{ $labels.job_name }}" .Release.Namespace -}}
- alert: ShiplockMigrationFailed
  expr: kube_job_failed{condition="true", namespace="{{ .Release.Namespace }}", job_name=~"{{ $job }}"} > 0
  labels:
    {{- include "shiplock.alertLabels" . | nindent 4 }}
  annotations:
    {{- $texts := dict
      "summary" (printf "The migrations of release %s failed. The release stopped, and the running version keeps serving." .Release.Name)
      "description" (printf "For the cause and the solution, run: %s" $logs) }}
    {{- toYaml (merge $texts .Values.prometheusRule.alertAnnotations) | nindent 4 }}
{{- if or .Values.notify.pushgateway.url .Values.notify.pushgateway.existingSecret.name }}
{{- $pushed := printf "namespace=%q, release=%q" .Release.Namespace .Release.Name }}
- alert: ShiplockLastRunFailed
  # For runs in and outside of Jobs. Allows time for the next attempt of a Job.
  expr: shiplock_last_run_exit_code{ {{- $pushed -}} } != 0
  for: 5m
  labels:
    {{- include "shiplock.alertLabels" . | nindent 4 }}
  annotations:
    {{- $texts := dict
      "summary" (printf "The last run of release %s's migrations on {{ $labels.database }} ended with exit code {{ $value }}." .Release.Name)
      "description" "No successful run since. The log of the run contains the cause and the solution; migrator status shows the state of the database." }}
    {{- toYaml (merge $texts .Values.prometheusRule.alertAnnotations) | nindent 4 }}
{{- end }}
{{- end -}}

{{- define "shiplock.alertLabels" -}}
{{- toYaml (merge (dict "severity" .Values.prometheusRule.severity) .Values.prometheusRule.alertLabels) -}}
{{- end -}}
