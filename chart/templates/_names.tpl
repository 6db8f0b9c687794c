{{/*
The chart's place in the tree of charts, without the root: "shiplock", the alias it has as a dependency, or
"booking-shiplock" when an umbrella chart holds "booking" which holds this one. Two charts of one umbrella can thus both
depend on this chart and not overwrite each other's Job.
*/}}
{{- define "shiplock.name" -}}
{{- if .Values.nameOverride -}}
{{- .Values.nameOverride -}}
{{- else -}}
{{- $names := list -}}
{{- range $i, $part := splitList "/" (trimSuffix "/templates" .Template.BasePath) -}}
{{- if eq (mod $i 2) 0 -}}
{{- $names = append $names $part -}}
{{- end -}}
{{- end -}}
{{- if gt (len $names) 1 -}}
{{- $names = rest $names -}}
{{- end -}}
{{- join "-" $names -}}
{{- end -}}
{{- end -}}

{{/*
A name made a DNS label of at most .max characters. What had to be changed ends in a hash of the whole, so that two
names never become one.
*/}}
{{- define "shiplock.dnsLabel" -}}
{{- $label := regexReplaceAll "[^a-z0-9-]" (lower .name) "-" -}}
{{- if or (ne $label .name) (gt (len $label) (int .max)) -}}
{{- $label = printf "%s-%s" (trunc (int (sub .max 9)) $label | trimSuffix "-") (sha256sum .name | trunc 8) -}}
{{- end -}}
{{- $label -}}
{{- end -}}

{{/*
The name that those of all objects are made of: 52 characters, so that "-migrations" (ConfigMap) and a pod's own suffix still
fit into 63. A release that bears this chart's own name is not called "shiplock-shiplock"; as a dependency it is, because
the short form may well be the name of the application's own Secret.
*/}}
{{- define "shiplock.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else -}}
{{- $name := include "shiplock.name" . -}}
{{- $full := printf "%s-%s" .Release.Name $name -}}
{{- if and .Chart.IsRoot (eq .Release.Name $name) -}}
{{- $full = $name -}}
{{- end -}}
{{- include "shiplock.dnsLabel" (dict "name" $full "max" 52) -}}
{{- end -}}
{{- end -}}

{{/*
Who runs the Job, and so what kind of objects there are: "helm" (hooks), "argocd" (Argo CD's hooks), or "release" (ordinary
objects of the release). A database that comes with the release does not exist yet at pre-install.
*/}}
{{- define "shiplock.placement" -}}
{{- if eq .Values.mode "argocd" -}}argocd
{{- else if or (ne .Values.mode "hook") (and .Values.database.partOfRelease .Release.IsInstall) -}}release
{{- else -}}helm
{{- end -}}
{{- end -}}

{{/*
Ordinary objects never have the name of a hook: Helm takes over no object that it made as a hook, and removes with an upgrade
what was ordinary and has become a hook.
*/}}
{{- define "shiplock.secretName" -}}
{{- include "shiplock.fullname" . -}}
{{- if eq (include "shiplock.placement" .) "release" -}}-database{{- end -}}
{{- end -}}

{{/* The ConfigMap that the parent chart makes of its own files; .migrationsHash is theirs. */}}
{{- define "shiplock.migrationsConfigMapName" -}}
{{- include "shiplock.fullname" . -}}
{{- if eq (include "shiplock.placement" .) "release" -}}-{{ .migrationsHash }}{{- else -}}-migrations{{- end -}}
{{- end -}}

{{/*
A hook's Job is deleted before the next is made, under the same name. An ordinary Job cannot be changed, so its name ends in
a hash of all that it is made of: one that changed is a new Job, and one that did not is left alone.
*/}}
{{- define "shiplock.jobObjectName" -}}
{{- include "shiplock.fullname" . -}}
{{- if eq (include "shiplock.placement" .) "release" -}}
-{{ printf "%s\n%s" (include "shiplock.jobSpec" .) (include "shiplock.secretFingerprint" .) | sha256sum | trunc 8 }}
{{- end -}}
{{- end -}}

{{/*
Tells one password, URL or token from another, for the Job's name, which more people may read than the Secret. A plain hash would let
them try out passwords; derivePassword is scrypt.
*/}}
{{- define "shiplock.secretFingerprint" -}}
{{- with include "shiplock.secretData" . -}}
{{- derivePassword 1 "long" . (include "shiplock.fullname" $) $.Release.Namespace -}}
{{- end -}}
{{- end -}}

{{/* Labels of every object. Those of the chart win over .Values.commonLabels: the notes and tests select by them. */}}
{{- define "shiplock.labels" -}}
{{- $own := dict
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/name" (include "shiplock.dnsLabel" (dict "name" (include "shiplock.name" .) "max" 63))
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/component" "migrations"
  "app.kubernetes.io/managed-by" .Release.Service
-}}
{{- toYaml (merge $own .Values.commonLabels) -}}
{{- end -}}

{{/*
The value of helm.sh/hook-output-log-policy on a Job that is a hook of Helm's; empty if it has no such annotation.
A program that embeds Helm's library and sets no function for the output ends with a nil pointer dereference when a hook with this
annotation fails: Flux's helm-controller does, and stops for its whole cluster. Only Helm's own program has a commit in its build
information, so "auto" adds the annotation for that program alone.
*/}}
{{- define "shiplock.hookOutputLogPolicy" -}}
{{- $policy := .Values.hookOutputLogPolicy -}}
{{- if eq $policy "auto" -}}
{{- $policy = .Capabilities.HelmVersion.GitCommit | empty | ternary "none" "hook-failed" -}}
{{- end -}}
{{- if ne $policy "none" -}}
{{- $policy -}}
{{- end -}}
{{- end -}}

{{/*
Annotations of an object: dict "context" . "weight" N. before-hook-creation alone: what failed stays to be read until the
next run. The keys are quoted because a flow mapping would read "pre-install,pre-upgrade" as two keys. With
database.partOfRelease there is no pre-install: the first Job is an ordinary one. What the Job needs ("logs" is not set) is
made anew for the Jobs of a rollback: what lies there is the newer release's.
*/}}
{{- define "shiplock.objectAnnotations" -}}
{{- $values := .context.Values -}}
{{- if hasKey $values.commonAnnotations "helm.sh/hook-output-log-policy" -}}
{{- include "shiplock.refuse" (list $ ".Values.commonAnnotations may not set \"helm.sh/hook-output-log-policy\": set .Values.hookOutputLogPolicy") -}}
{{- end -}}
{{- range $key, $_ := $values.commonAnnotations -}}
{{- if or (hasPrefix "helm.sh/" $key) (hasPrefix "argocd.argoproj.io/hook" $key) -}}
{{- include "shiplock.refuse" (list $ (printf ".Values.commonAnnotations may not set %q: mode decides when the migrations run, and the chart sets the annotations for it; remove it" $key)) -}}
{{- end -}}
{{- end -}}
{{- $placement := include "shiplock.placement" .context -}}
{{- $own := dict -}}
{{- if eq $placement "helm" -}}
{{- $events := $values.database.partOfRelease | ternary "pre-upgrade" "pre-install,pre-upgrade" -}}
{{- if and (not .logs) (eq $values.rollback.policy "down") -}}
{{- $events = printf "%s,pre-rollback" $events -}}
{{- end -}}
{{- $own = dict
  "helm.sh/hook" $events
  "helm.sh/hook-weight" (toString .weight)
  "helm.sh/hook-delete-policy" "before-hook-creation"
-}}
{{- if .logs -}}
{{- with include "shiplock.hookOutputLogPolicy" .context -}}
{{- $_ := set $own "helm.sh/hook-output-log-policy" . -}}
{{- end -}}
{{- end -}}
{{- else if eq $placement "argocd" -}}
{{- $own = dict
  "argocd.argoproj.io/hook" ($values.database.partOfRelease | ternary "Sync" "PreSync")
  "argocd.argoproj.io/sync-wave" (toString .weight)
  "argocd.argoproj.io/hook-delete-policy" "BeforeHookCreation"
-}}
{{- end -}}
{{- with merge $own $values.commonAnnotations -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}
