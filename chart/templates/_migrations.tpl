{{/* Where the migrations are mounted from; nothing when the migrator's image holds them. */}}
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

{{/* Optional, or a pod without its ConfigMap would wait in silence: the migrator reports an empty folder at once. */}}
{{- define "shiplock.migrationsConfigMapVolume" -}}
- name: {{ .name }}
  configMap:
    name: {{ .configMap | toJson }}
    optional: true
{{- end -}}

{{/*
A ConfigMap of the calling chart's own migration files, that exists before the Job:

  {{ include "shiplock.migrationsConfigMap" (dict "context" . "glob" "migrations/*.sql") }}

"alias" names the dependency when Chart.yaml gives it one. The glob is relative to the calling chart's folder. Where the Job
is an ordinary object (mode: job) it comes from here, too: its name changes with the files, which only the calling chart sees.
*/}}
{{- define "shiplock.migrationsConfigMap" -}}
{{- $call := merge (dict "helper" "shiplock.migrationsConfigMap") . -}}
{{- include "shiplock.findDependency" $call -}}
{{- with $call.dependency -}}
{{- if not .Values.migrations.fromChart -}}
{{- fail (printf "chart %q makes a ConfigMap of its migrations, but nothing would run them: set %s.migrations.fromChart=true" $call.context.Chart.Name .Alias) -}}
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

{{/* The ConfigMap that gives "helm test" the last version of the parent's files, where the Job comes from the parent's template. */}}
{{- define "shiplock.versionConfigMapName" -}}
{{- include "shiplock.fullname" . -}}-version
{{- end -}}

{{/* The files of the calling chart as a ConfigMap's data; the dict is that of shiplock.findDependency, with "glob". */}}
{{- define "shiplock.parentFiles" -}}
{{- $glob := required (printf "%s needs a \"glob\"" .helper) .glob -}}
{{- include "shiplock.migrationFiles" (dict "context" .context "glob" $glob) -}}
{{- end -}}

{{/* "true" if this chart's own template makes the Job; "" if there is none, or the parent's files decide on its name. */}}
{{- define "shiplock.chartMakesJob" -}}
{{- $byParent := and .Values.migrations.fromChart (eq (include "shiplock.placement" .) "release") -}}
{{- if not (or $byParent (eq .Values.mode "initContainer")) -}}true{{- end -}}
{{- end -}}

{{/*
The files of dict "context" . "glob" "..." as a ConfigMap's data. A file that is not UTF-8 goes to binaryData: as text its
bytes, and so its checksum, would change.
*/}}
{{- define "shiplock.migrationFiles" -}}
{{- $text := dict -}}
{{- $binary := dict -}}
{{- $paths := dict -}}
{{- $size := 0 -}}
{{- range $path, $bytes := .context.Files.Glob .glob -}}
{{- $name := base $path -}}
{{- if hasKey $paths $name -}}
{{- fail (printf "%s and %s have the same name, and a ConfigMap has no folders: rename one of them, or narrow the glob %q" (get $paths $name) $path $.glob) -}}
{{- end -}}
{{- if not (regexMatch "^[-._a-zA-Z0-9]{1,253}$" $name) -}}
{{- fail (printf "%s cannot be a ConfigMap's key: only letters, digits, '-', '_' and '.' are allowed in the file's name" $path) -}}
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
{{- fail (printf "no file of chart %q matches %q: the glob is relative to the chart's folder, and files outside of it or named in .helmignore are not part of the chart" .context.Chart.Name .glob) -}}
{{- end -}}
{{- if gt (int $size) 1048576 -}}
{{- fail (printf "the files that match %q are %d bytes, and a ConfigMap holds 1048576: build them into the migrator's image (image.repository) or mount them from an image (migrations.image)" .glob (int $size)) -}}
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
