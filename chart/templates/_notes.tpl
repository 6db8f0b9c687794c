{{- define "shiplock.notes.helm" -}}
{{- $name := include "shiplock.fullname" . -}}
The migrations ran before this release: Job {{ $name }}, namespace {{ .Release.Namespace }}.

  Log:            kubectl -n {{ .Release.Namespace }} logs job/{{ $name }}
  Status:         kubectl -n {{ .Release.Namespace }} describe job/{{ $name }}
{{- with include "shiplock.notifyChannels" . }}
  Notifications:  {{ . }}
{{- end }}

The Job and its log remain until the next upgrade. If a migration fails, {{ if contains "hook-failed" (include "shiplock.hookOutputLogPolicy" .) }}Helm prints the cause, {{ end }}the
release stops, and the running version keeps serving.
{{- end -}}

{{- define "shiplock.notes.release" -}}
{{- $labels := printf "app.kubernetes.io/instance=%s,app.kubernetes.io/component=migrations" .Release.Name -}}
A Job of this release runs the migrations, in namespace {{ .Release.Namespace }}, at the same time as the other resources start.
Only pods with shiplock.waitForMigrations or shiplock.initContainer wait for it.

  Log:            kubectl -n {{ .Release.Namespace }} logs -l {{ $labels }} --tail=-1
  Status:         kubectl -n {{ .Release.Namespace }} describe jobs -l {{ $labels }}
{{- with include "shiplock.notifyChannels" . }}
  Notifications:  {{ . }}
{{- end }}

A release without changes does not run a failed Job again: delete the Job, then run Helm again.
{{- if eq .Values.mode "hook" }} Starting
with the next upgrade, the migrations run before the release, as a hook.
{{- end }}
{{- end -}}

{{- define "shiplock.notes.argocd" -}}
Argo CD runs the migrations at every sync: Job {{ include "shiplock.fullname" . }}, namespace {{ .Release.Namespace }}. Do not install this release with Helm.
{{- end -}}

{{/* The objects of hooks that remain after an uninstall, as arguments of kubectl. */}}
{{- define "shiplock.hookNames" -}}
{{- $name := include "shiplock.fullname" . -}}
job/{{ $name }} pod/{{ $name }}-test
{{- with include "shiplock.rollbackJobNames" . }} {{ . }}{{ end }}
{{- if include "shiplock.hasSecret" . }} secret/{{ $name }}{{ end }}
{{- if .Values.networkPolicy.enabled }} networkpolicy/{{ include "shiplock.policyName" . }}{{ end }}
{{- if .Values.kubernetesEvents.enabled }}{{ $events := include "shiplock.eventsName" . }} role/{{ $events }} rolebinding/{{ $events }}
{{- if not .Values.serviceAccount.name }} serviceaccount/{{ $events }}{{ end }}
{{- end }}
{{- if .Values.migrations.fromChart }} configmap/{{ $name }}-migrations{{ end }}
{{- end -}}

{{- define "shiplock.rollbackJobNames" -}}
{{- $jobs := list -}}
{{- if eq .Values.rollback.policy "down" -}}
{{- if eq .Values.mode "hook" -}}
{{- $jobs = append $jobs (printf "job/%s-rollback" (include "shiplock.fullname" .)) -}}
{{- end -}}
{{- if eq .Values.rollback.when "post-rollback" -}}
{{- $jobs = append $jobs (printf "job/%s-down" (include "shiplock.fullname" .)) -}}
{{- end -}}
{{- end -}}
{{- join " " $jobs -}}
{{- end -}}

{{/* The rollback policy, and the Jobs that remain if no other hooks do. */}}
{{- define "shiplock.notes.rollback" -}}
{{- if eq .Values.rollback.policy "down" }}

A rollback to this release rolls back newer migrations {{ eq .Values.rollback.when "post-rollback" | ternary "after its pods are back (with Helm's --wait)" "before any pod changes" }}
{{- .Values.rollback.allowDataLoss | ternary ", including data loss" ", unless that would lose data" }}.
{{- if has .Values.mode (list "job" "initContainer") }} {{ include "shiplock.rollbackJobNames" . }} remains after `helm uninstall`.
{{- end }}
{{- end }}
{{- end -}}
