{{/*
The Jobs of rollback.policy: down. Helm runs the hooks of the release that it goes back to, with that one's image and values, and
Argo CD knows no rollback: an older state is one more sync.

  -rollback  before any pod changes: applies what this release needs and the database has no more (one may roll "back" to what a rollback
             has undone). With when: pre-rollback it undoes as well.
  -undo      when: post-rollback: undoes once the pods are this release's, after a rollback and after an upgrade to an older image.

With when: pre-rollback it is the upgrade's own Job that undoes before an upgrade to an older image. An install undoes nothing: it is no
way back, and may be another release's first look at this database.
*/}}
{{- define "shiplock.rollbackJobs" -}}
{{- if eq .Values.rollback.policy "down" -}}
{{- if eq (include "shiplock.placement" .) "helm" }}
---
{{ include "shiplock.rollbackJob" (dict "context" . "purpose" "rollback" "events" "pre-rollback") }}
{{- end }}
{{- if eq .Values.rollback.when "post-rollback" }}
---
{{ include "shiplock.rollbackJob" (dict "context" . "purpose" "undo" "events" "post-rollback,post-upgrade") }}
{{- end }}
{{- end }}
{{- end -}}

{{/* One of them: dict "context" . "purpose" "rollback" or "undo" "events" (Helm's). */}}
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

{{/* "true" if the container undoes what its image does not have. */}}
{{- define "shiplock.goesDown" -}}
{{- if eq .Values.rollback.policy "down" -}}
{{- $purpose := get . "Purpose" -}}
{{- $before := eq .Values.rollback.when "pre-rollback" -}}
{{- $going := eq .Values.mode "argocd" | ternary true .Release.IsUpgrade -}}
{{- if or (eq $purpose "undo") (and $before (or (eq $purpose "rollback") $going)) -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{/* What a run means for the release: its mode, as the migrator's card knows them. */}}
{{- define "shiplock.runMode" -}}
{{- if get . "Purpose" -}}
{{- eq (get . "Purpose") "undo" | ternary "post-rollback" "pre-rollback" -}}
{{- else if and (eq .Values.mode "hook") (eq (include "shiplock.placement" .) "release") -}}job
{{- else -}}
{{- .Values.mode -}}
{{- end -}}
{{- end -}}

{{- define "shiplock.validateRollback" -}}
{{- $rollback := .Values.rollback -}}
{{- if eq $rollback.policy "down" -}}
{{- if eq .Values.onNewer "fail" -}}
{{- include "shiplock.refuse" (list $ ".Values.rollback.policy: down undoes what is newer, and .Values.onNewer: fail refuses it: leave .Values.onNewer empty, or keep .Values.rollback.policy: keep") -}}
{{- end -}}
{{- if regexMatch "(^| )--on-newer" (join " " .Values.extraArgs) -}}
{{- include "shiplock.refuse" (list $ ".Values.extraArgs has --on-newer, which would override .Values.rollback.policy: down: remove it") -}}
{{- end -}}
{{- if and (eq $rollback.when "pre-rollback") (or (has .Values.mode (list "job" "initContainer")) .Values.database.partOfRelease) -}}
{{- include "shiplock.refuse" (list $ (printf ".Values.rollback.when: pre-rollback wants what the migrator needs to be there before the release is changed, and with %s it comes with the release: set .Values.rollback.when=post-rollback" (.Values.database.partOfRelease | ternary ".Values.database.partOfRelease" (printf ".Values.mode: %s" .Values.mode)))) -}}
{{- end -}}
{{- else if $rollback.allowDataLoss -}}
{{- include "shiplock.refuse" (list $ ".Values.rollback.allowDataLoss is set, but nothing is undone with .Values.rollback.policy: keep: set .Values.rollback.policy=down, or leave it out") -}}
{{- end -}}
{{- end -}}
