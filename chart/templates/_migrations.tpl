{{/* Where the migrations are mounted from; nothing when the migrator's image holds them. */}}
{{- define "shiplock.migrationsVolume" -}}
{{- with .Values.migrations -}}
{{- if .image.repository -}}
- name: migrations
  image:
    reference: {{ include "shiplock.imageReference" (dict "context" $ "path" "migrations.image" "image" .image "defaultTag" "") | toJson }}
    pullPolicy: {{ .image.pullPolicy }}
{{- else if .parentConfigMap -}}
{{ include "shiplock.migrationsConfigMapVolume" (include "shiplock.migrationsConfigMapName" $) }}
{{- else if .existingConfigMap -}}
{{ include "shiplock.migrationsConfigMapVolume" (tpl .existingConfigMap $) }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Optional, or a pod without its ConfigMap would wait in silence: the migrator reports an empty folder at once. */}}
{{- define "shiplock.migrationsConfigMapVolume" -}}
- name: migrations
  configMap:
    name: {{ . | toJson }}
    optional: true
{{- end -}}

{{/*
A ConfigMap of the calling chart's own migration files, as a hook that exists before the Job:

  {{ include "shiplock.migrationsConfigMap" (dict "context" . "glob" "migrations/*.sql") }}

"alias" names the dependency when Chart.yaml gives it one. The glob is relative to the calling chart's folder.
*/}}
{{- define "shiplock.migrationsConfigMap" -}}
{{- $alias := .alias | default "shiplock" -}}
{{- $context := .context -}}
{{- $dependency := get $context.Subcharts $alias -}}
{{- if $dependency -}}
{{- include "shiplock.fillValues" $dependency -}}
{{- if $dependency.Values.enabled -}}
{{- if not $dependency.Values.migrations.parentConfigMap -}}
{{- fail (printf "chart %q makes a ConfigMap of its migrations, but nothing would run them: set %s.migrations.parentConfigMap=true" $context.Chart.Name $alias) -}}
{{- end -}}
{{- $template := include "shiplock.dependencyTemplate" (dict "context" $context "alias" $alias) | fromYaml -}}
{{- $hook := dict "Template" $template "Values" $dependency.Values "Chart" $dependency.Chart "Release" $context.Release -}}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "shiplock.migrationsConfigMapName" $hook }}
  namespace: {{ $context.Release.Namespace }}
  labels:
    {{- include "shiplock.labels" $hook | nindent 4 }}
  annotations:
    {{- include "shiplock.hookAnnotations" (dict "context" $hook "weight" -10) | nindent 4 }}
{{ include "shiplock.migrationFiles" (dict "context" $context "glob" (required "shiplock.migrationsConfigMap needs a \"glob\"" .glob)) }}
{{- end -}}
{{- else if not (hasKey $context.Values $alias) -}}
{{- fail (printf "shiplock.migrationsConfigMap: chart %q has no dependency called %q: pass its name or alias from Chart.yaml as \"alias\"" $context.Chart.Name $alias) -}}
{{- end -}}
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
