{{/*
The path of the chart in the tree of charts, without the root: "shiplock", its alias as a dependency, or "booking-shiplock" if an
umbrella chart contains "booking", which contains this chart. Two charts of an umbrella chart can therefore depend on this chart without
overwriting each other's Job.
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
Converts .name to a DNS label of at most .max characters. A converted name ends in a hash of the original, so that different names
stay different.
*/}}
{{- define "shiplock.dnsLabel" -}}
{{- $label := regexReplaceAll "[^a-z0-9-]" (lower .name) "-" -}}
{{- if or (ne $label .name) (gt (len $label) (int .max)) -}}
{{- $label = printf "%s-%s" (trunc (int (sub .max 9)) $label | trimSuffix "-") (sha256sum .name | trunc 8) -}}
{{- end -}}
{{- $label -}}
{{- end -}}

{{/*
The prefix of all object names: at most 52 characters, so that "-migrations" (ConfigMap) and the suffix of a pod fit into 63. A release
with the name of this chart is "shiplock" instead of "shiplock-shiplock", but not as a dependency, because the application may have a
Secret with the short name.
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
The kind of the objects: "helm" (Helm hooks), "argocd" (Argo CD hooks), or "release" (ordinary objects of the release). A database that
is part of the release does not exist at pre-install.
*/}}
{{- define "shiplock.placement" -}}
{{- if eq .Values.mode "argocd" -}}argocd
{{- else if or (ne .Values.mode "hook") (and .Values.database.partOfRelease .Release.IsInstall) -}}release
{{- else -}}helm
{{- end -}}
{{- end -}}

{{/*
Ordinary objects and hooks have different names: Helm does not adopt an object that it created as a hook, and an upgrade deletes an
ordinary object that has become a hook.
*/}}
{{- define "shiplock.secretName" -}}
{{- include "shiplock.fullname" . -}}
{{- if eq (include "shiplock.placement" .) "release" -}}-database{{- end -}}
{{- end -}}

{{/* The name of the ConfigMap with the parent chart's files; .migrationsHash is the hash of the files. */}}
{{- define "shiplock.migrationsConfigMapName" -}}
{{- include "shiplock.fullname" . -}}
{{- if eq (include "shiplock.placement" .) "release" -}}-{{ .migrationsHash }}{{- else -}}-migrations{{- end -}}
{{- end -}}

{{/*
The Job of a hook is deleted before the next one is created, under the same name. An ordinary Job is immutable, so its name ends in a hash
of its content: a change creates a new Job, and an unchanged Job stays as it is.
*/}}
{{- define "shiplock.jobObjectName" -}}
{{- include "shiplock.fullname" . -}}
{{- if eq (include "shiplock.placement" .) "release" -}}
-{{ printf "%s\n%s" (include "shiplock.jobSpec" .) (include "shiplock.secretFingerprint" .) | sha256sum | trunc 8 }}
{{- end -}}
{{- end -}}

{{/*
A fingerprint of the passwords, URLs and tokens, for the name of the Job, which more users can read than the Secret. derivePassword uses
scrypt: a plain hash would allow guessing passwords.
*/}}
{{- define "shiplock.secretFingerprint" -}}
{{- with include "shiplock.secretData" . -}}
{{- derivePassword 1 "long" . (include "shiplock.fullname" $) $.Release.Namespace -}}
{{- end -}}
{{- end -}}

{{/* Labels of all objects. The chart's labels override .Values.commonLabels: the notes and tests select by them. */}}
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
The value of helm.sh/hook-output-log-policy for the Job of a Helm hook; empty for no annotation.
A program that embeds Helm's library without setting an output function crashes with a nil pointer dereference when a hook with this
annotation fails. Flux's helm-controller does, for its whole cluster. Only Helm's own program has a commit in its build information, so
"auto" adds the annotation for that program only.
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
Annotations of an object: dict "context" . "weight" N. The only delete policy is before-hook-creation: a failed Job and its log remain
until the next run. The keys are quoted because a flow mapping would read "pre-install,pre-upgrade" as two keys. With
database.partOfRelease there is no pre-install hook: the first Job is an ordinary object. The objects that the Job requires ("logs" is not
set) are created again for the Jobs of a rollback, because the existing ones belong to the newer release.
*/}}
{{- define "shiplock.objectAnnotations" -}}
{{- $values := .context.Values -}}
{{- if hasKey $values.commonAnnotations "helm.sh/hook-output-log-policy" -}}
{{- include "shiplock.fail" (list $ ".Values.commonAnnotations must not contain \"helm.sh/hook-output-log-policy\": set .Values.hookOutputLogPolicy instead") -}}
{{- end -}}
{{- range $key, $_ := $values.commonAnnotations -}}
{{- if or (hasPrefix "helm.sh/" $key) (hasPrefix "argocd.argoproj.io/hook" $key) -}}
{{- include "shiplock.fail" (list $ (printf ".Values.commonAnnotations must not contain %q: the chart sets hook annotations according to .Values.mode. Remove it" $key)) -}}
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
