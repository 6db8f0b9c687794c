{{- define "shiplock.notes.helm" -}}
{{- $name := include "shiplock.fullname" . -}}
The database was migrated before the rest of this release: Job {{ $name }}, namespace {{ .Release.Namespace }}.

  What it did:   kubectl -n {{ .Release.Namespace }} logs job/{{ $name }}
  How it ended:  kubectl -n {{ .Release.Namespace }} describe job/{{ $name }}
{{- with include "shiplock.sinks" . }}
  Told, too, to: {{ . }}
{{- end }}

The Job and its log stay until the next upgrade replaces them. When a migration fails, {{ if contains "hook-failed" (include "shiplock.hookOutputLogPolicy" .) }}helm prints the reason, {{ end }}the
release stops, and the version that runs goes on serving.
{{- end -}}

{{- define "shiplock.notes.release" -}}
{{- $labels := printf "app.kubernetes.io/instance=%s,app.kubernetes.io/component=migrations" .Release.Name -}}
The database is migrated by a Job of this release, in namespace {{ .Release.Namespace }}, while the rest of it starts: only pods with
shiplock.waitForMigrations or shiplock.initContainer wait for it.

  What it did:   kubectl -n {{ .Release.Namespace }} logs -l {{ $labels }} --tail=-1
  How it ended:  kubectl -n {{ .Release.Namespace }} describe jobs -l {{ $labels }}
{{- with include "shiplock.sinks" . }}
  Told, too, to: {{ . }}
{{- end }}

A Job that has failed is not run again by a release that changes nothing: delete it, then run helm again.
{{- if eq .Values.mode "hook" }} From the next
upgrade on the migrations run before the release, as a hook.
{{- end }}
{{- end -}}

{{- define "shiplock.notes.argocd" -}}
Argo CD runs the migrations at each sync: Job {{ include "shiplock.fullname" . }}, namespace {{ .Release.Namespace }}. Helm itself should not install this release.
{{- end -}}

{{/* What hooks leave behind, as kubectl takes it. */}}
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
{{- $jobs = append $jobs (printf "job/%s-undo" (include "shiplock.fullname" .)) -}}
{{- end -}}
{{- end -}}
{{- join " " $jobs -}}
{{- end -}}

{{/* What goes back with the release, and what is left of it afterwards where nothing else is. */}}
{{- define "shiplock.notes.rollback" -}}
{{- if eq .Values.rollback.policy "down" }}

A rollback to this release undoes newer migrations {{ eq .Values.rollback.when "post-rollback" | ternary "after its pods are back (with helm's --wait)" "before any pod changes" }}
{{- .Values.rollback.allowDataLoss | ternary ", and data with them" ", unless that would lose data" }}.
{{- if has .Values.mode (list "job" "initContainer") }} After `helm uninstall` {{ include "shiplock.rollbackJobNames" . }} is left.
{{- end }}
{{- end }}
{{- end -}}
