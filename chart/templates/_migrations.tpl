{{/* The volume of the migrations; empty if the migrator's image contains them. */}}
{{- define "shiplock.migrationsVolume" -}}
{{- with .Values.migrations -}}
{{- if .image.repository -}}
- name: {{ get $ "Prefix" }}migrations
  image:
    reference: {{ include "shiplock.imageReference" (dict "context" $ "path" "migrations.image" "image" .image "defaultTag" "") | toJson }}
    pullPolicy: {{ .image.pullPolicy }}
{{- else if .fromChart -}}
{{- if not (or (get $ "Prefix") (get $ "FilesUnknown")) -}}
{{ include "shiplock.migrationsConfigMapVolume" (dict "name" "migrations" "configMap" (include "shiplock.migrationsConfigMapName" $)) }}
{{- end -}}
{{- else if .existingConfigMap -}}
{{ include "shiplock.migrationsConfigMapVolume" (dict "name" (printf "%smigrations" (get $ "Prefix")) "configMap" (include "shiplock.rendered" (dict "context" $ "path" "migrations.existingConfigMap" "value" .existingConfigMap))) }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The volume is optional, so that a pod without its ConfigMap starts and the migrator reports the empty directory. */}}
{{- define "shiplock.migrationsConfigMapVolume" -}}
- name: {{ .name }}
  configMap:
    name: {{ .configMap | toJson }}
    optional: true
{{- end -}}

{{/*
A ConfigMap with the migration files of the calling chart, created before the Job:

  {{ include "shiplock.migrationsConfigMap" (dict "context" . "glob" "migrations/*.sql") }}

"alias" is the alias of the dependency in Chart.yaml, if any. "glob" is relative to the calling chart's directory. With an ordinary Job
(mode: job), this template renders the Job as well: its name depends on the files, which only the calling chart can read.
*/}}
{{- define "shiplock.migrationsConfigMap" -}}
{{- $call := merge (dict "helper" "shiplock.migrationsConfigMap") . -}}
{{- include "shiplock.findDependency" $call -}}
{{- with $call.dependency -}}
{{- if not .Values.migrations.fromChart -}}
{{- fail (printf "chart %q includes shiplock.migrationsConfigMap, but its migrations would not run: set %s.migrations.fromChart=true" $call.context.Chart.Name .Alias) -}}
{{- end -}}
{{- include "shiplock.validate" . -}}
{{- $files := include "shiplock.parentFiles" $call -}}
{{- $_ := set . "migrationsHash" ($files | sha256sum | trunc 8) -}}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "shiplock.migrationsConfigMapName" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "shiplock.labels" . | nindent 4 }}
  {{- with include "shiplock.objectAnnotations" (dict "context" . "weight" -10) }}
  {{- . | nindent 2 }}
  {{- end }}
{{ $files }}
{{- if not (include "shiplock.chartMakesJob" .) }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "shiplock.versionConfigMapName" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "shiplock.labels" . | nindent 4 }}
data:
  version: {{ include "shiplock.lastVersion" $call | quote }}
---
{{ include "shiplock.job" . }}
{{- include "shiplock.rollbackJobs" . }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* The name of the ConfigMap with the last version of the parent's files, for "helm test" if the parent's template renders the Job. */}}
{{- define "shiplock.versionConfigMapName" -}}
{{- include "shiplock.fullname" . -}}-version
{{- end -}}

{{/* The calling chart's files as the data of a ConfigMap: the dict of shiplock.findDependency, with "glob". */}}
{{- define "shiplock.parentFiles" -}}
{{- $glob := required (printf "%s requires \"glob\"" .helper) .glob -}}
{{- include "shiplock.migrationFiles" (dict "context" .context "glob" $glob) -}}
{{- end -}}

{{/* "true" if this chart renders the Job; "" if there is no Job, or if its name depends on the parent's files. */}}
{{- define "shiplock.chartMakesJob" -}}
{{- $byParent := and .Values.migrations.fromChart (eq (include "shiplock.placement" .) "release") -}}
{{- if not (or $byParent (eq .Values.mode "initContainer")) -}}true{{- end -}}
{{- end -}}

{{/*
The files that match dict "context" . "glob" "..." as the data of a ConfigMap. A file that is not UTF-8 is added to binaryData: as text,
its bytes and its checksum would change.
*/}}
{{- define "shiplock.migrationFiles" -}}
{{- $text := dict -}}
{{- $binary := dict -}}
{{- $paths := dict -}}
{{- $size := 0 -}}
{{- range $path, $bytes := .context.Files.Glob .glob -}}
{{- $name := base $path -}}
{{- if hasKey $paths $name -}}
{{- fail (printf "%s and %s have the same name, and a ConfigMap has no directories: rename one of them, or restrict the glob %q" (get $paths $name) $path $.glob) -}}
{{- end -}}
{{- if not (regexMatch "^[-._a-zA-Z0-9]{1,253}$" $name) -}}
{{- fail (printf "%s cannot be the key of a ConfigMap: use only letters, digits, '-', '_' and '.' in the file name" $path) -}}
{{- end -}}
{{- $_ := set $paths $name $path -}}
{{- $content := toString $bytes -}}
{{- $size = add $size (len $content) -}}
{{- if eq $content (get (dict "c" $content | toJson | fromJson) "c") -}}
{{- $_ := set $text $name $content -}}
{{- else -}}
{{- $_ := set $binary $name (b64enc $content) -}}
{{- end -}}
{{- end -}}
{{- if not $paths -}}
{{- fail (printf "no file of chart %q matches %q: the glob is relative to the chart's directory, and files outside it or in .helmignore are not part of the chart" .context.Chart.Name .glob) -}}
{{- end -}}
{{- if gt (int $size) 1048576 -}}
{{- fail (printf "the files that match %q have %d bytes, and the limit of a ConfigMap is 1048576: build them into the migrator's image (image.repository) or mount them from an image (migrations.image)" .glob (int $size)) -}}
{{- end -}}
{{- with $text -}}
data:
  {{- toYaml . | nindent 2 }}
{{ end -}}
{{- with $binary -}}
binaryData:
  {{- toYaml . | nindent 2 }}
{{ end -}}
{{- end -}}
