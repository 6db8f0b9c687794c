{{/*
The Jobs of rollback.policy: down. Helm runs the hooks of the target release of a rollback, with its image and values. Argo CD has no rollback:
it syncs an older state.

  -rollback  runs before any pod changes: applies migrations of this release that the database does not have, for example after an earlier
             rollback. With when: pre-rollback, it also rolls back.
  -down      when: post-rollback: rolls back after the pods of this release are running, after a rollback and after an upgrade to an older image.

With when: pre-rollback, the Job of the upgrade itself rolls back before an upgrade to an older image. An install never rolls back: the
database may belong to another release.
*/}}
{{- define "shiplock.rollbackJobs" -}}
{{- if eq .Values.rollback.policy "down" -}}
{{- if eq (include "shiplock.placement" .) "helm" }}
---
{{ include "shiplock.rollbackJob" (dict "context" . "purpose" "rollback" "events" "pre-rollback") }}
{{- end }}
{{- if eq .Values.rollback.when "post-rollback" }}
---
{{ include "shiplock.rollbackJob" (dict "context" . "purpose" "down" "events" "post-rollback,post-upgrade") }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A Job of a rollback: dict "context" . "purpose" ("rollback" or "down") "events" (of the Helm hook). */}}
{{- define "shiplock.rollbackJob" -}}
{{- $annotations := dict
  "helm.sh/hook" .events
  "helm.sh/hook-weight" "0"
  "helm.sh/hook-delete-policy" "before-hook-creation"
-}}
{{- with .context -}}
{{- with include "shiplock.hookOutputLogPolicy" . -}}
{{- $_ := set $annotations "helm.sh/hook-output-log-policy" . -}}
{{- end -}}
{{- if eq .Values.mode "argocd" -}}
{{- $annotations = dict "argocd.argoproj.io/hook" "PostSync" "argocd.argoproj.io/sync-wave" "0" "argocd.argoproj.io/hook-delete-policy" "BeforeHookCreation" -}}
{{- end -}}
{{- $dot := dict "Purpose" $.purpose -}}
{{- range $key, $value := . -}}
{{- $_ := set $dot $key $value -}}
{{- end -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "shiplock.fullname" . }}-{{ $.purpose }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "shiplock.labels" . | nindent 4 }}
  annotations:
    {{- merge $annotations .Values.commonAnnotations | toYaml | nindent 4 }}
spec:
  {{- include "shiplock.jobSpec" $dot | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* "true" if the container rolls back migrations that its image does not contain. */}}
{{- define "shiplock.rollsBack" -}}
{{- if eq .Values.rollback.policy "down" -}}
{{- $purpose := get . "Purpose" -}}
{{- $before := eq .Values.rollback.when "pre-rollback" -}}
{{- $upgrade := eq .Values.mode "argocd" | ternary true .Release.IsUpgrade -}}
{{- if or (eq $purpose "down") (and $before (or (eq $purpose "rollback") $upgrade)) -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{/* The mode of a run, for the migrator's failure report. */}}
{{- define "shiplock.runMode" -}}
{{- if get . "Purpose" -}}
{{- eq (get . "Purpose") "down" | ternary "post-rollback" "pre-rollback" -}}
{{- else if and (eq .Values.mode "hook") (eq (include "shiplock.placement" .) "release") -}}job
{{- else -}}
{{- .Values.mode -}}
{{- end -}}
{{- end -}}

{{- define "shiplock.validateRollback" -}}
{{- $rollback := .Values.rollback -}}
{{- if eq $rollback.policy "down" -}}
{{- if eq .Values.onNewer "fail" -}}
{{- include "shiplock.fail" (list $ ".Values.rollback.policy: down and .Values.onNewer: fail are mutually exclusive: remove .Values.onNewer, or set .Values.rollback.policy to keep") -}}
{{- end -}}
{{- if regexMatch "(^| )--on-newer" (join " " .Values.extraArgs) -}}
{{- include "shiplock.fail" (list $ ".Values.extraArgs contains --on-newer, which overrides .Values.rollback.policy: down. Remove it") -}}
{{- end -}}
{{- if and (eq $rollback.when "pre-rollback") (or (has .Values.mode (list "job" "initContainer")) .Values.database.partOfRelease) -}}
{{- include "shiplock.fail" (list $ (printf ".Values.rollback.when: pre-rollback runs before the objects of the release are updated, and with %s the migrator depends on them: set .Values.rollback.when=post-rollback" (.Values.database.partOfRelease | ternary ".Values.database.partOfRelease" (printf ".Values.mode: %s" .Values.mode)))) -}}
{{- end -}}
{{- else if $rollback.allowDataLoss -}}
{{- include "shiplock.fail" (list $ ".Values.rollback.allowDataLoss has no effect with .Values.rollback.policy: keep. Set .Values.rollback.policy=down, or remove it") -}}
{{- end -}}
{{- end -}}
