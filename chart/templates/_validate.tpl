{{/* Seconds of a duration such as 90s, 4m or 1h30m; a bare number is seconds. */}}
{{- define "shiplock.seconds" -}}
{{- $text := kindIs "string" . | ternary . (printf "%ds" (int64 .)) -}}
{{- $seconds := 0 -}}
{{- range $unit, $factor := dict "h" 3600 "m" 60 "s" 1 -}}
{{- with regexFind (printf "[0-9]+%s" $unit) $text -}}
{{- $seconds = add $seconds (mul $factor (trimSuffix $unit . | atoi)) -}}
{{- end -}}
{{- end -}}
{{- $seconds -}}
{{- end -}}

{{/* What the schema cannot say: rules between values, each with the way out. */}}
{{- define "shiplock.validate" -}}
{{- include "shiplock.validateMode" . -}}
{{- include "shiplock.validateRollback" . -}}
{{- include "shiplock.validateDatabase" . -}}
{{- include "shiplock.validateMigrations" . -}}
{{- include "shiplock.validateTool" . -}}
{{- include "shiplock.validateTimes" . -}}
{{- include "shiplock.validateNotify" . -}}
{{- include "shiplock.validateExtraEnv" . -}}
{{- end -}}

{{- define "shiplock.validateMode" -}}
{{- if eq .Values.mode "initContainer" -}}
{{- if .Chart.IsRoot -}}
{{- fail "mode: initContainer is for a chart that depends on this one and calls shiplock.initContainer; a release of its own takes mode: hook or job" -}}
{{- end -}}
{{- if .Values.migrations.parentConfigMap -}}
{{- fail "mode: initContainer with migrations.parentConfigMap would let a restarted pod of the old version run the new version's files: build the migrations into the migrator's image (image.repository), or mount them from an image (migrations.image)" -}}
{{- end -}}
{{- if eq .Values.onNewer "fail" -}}
{{- fail "mode: initContainer with onNewer: fail would keep pods of the old version from starting while the new one is rolled out: leave onNewer empty" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "shiplock.validateMigrations" -}}
{{- $migrations := .Values.migrations -}}
{{- $sources := list -}}
{{- if $migrations.parentConfigMap -}}
{{- $sources = append $sources "migrations.parentConfigMap" -}}
{{- end -}}
{{- if $migrations.existingConfigMap -}}
{{- $sources = append $sources "migrations.existingConfigMap" -}}
{{- end -}}
{{- if $migrations.image.repository -}}
{{- $sources = append $sources "migrations.image.repository" -}}
{{- end -}}
{{- if gt (len $sources) 1 -}}
{{- fail (printf "the migrations come from one place, but %s are set: keep one of them" (join " and " $sources)) -}}
{{- end -}}
{{- if not (or $sources .Values.tool.image.repository) -}}
{{- include "shiplock.validateMigrationsInImage" . -}}
{{- end -}}
{{- if and $migrations.parentConfigMap .Chart.IsRoot -}}
{{- fail "migrations.parentConfigMap is for a chart that depends on this one; a release of its own takes migrations.existingConfigMap" -}}
{{- end -}}
{{- if and $migrations.image.repository (semverCompare "<1.33.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail (printf "migrations.image needs image volumes, which Kubernetes has from 1.33 on, and this is %s: build the migrations into the migrator's image (image.repository) or use a ConfigMap" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- end -}}

{{/* The migrator's own image holds no migrations. Another tag or a digest may be that of an image which does. */}}
{{- define "shiplock.validateMigrationsInImage" -}}
{{- $image := .Values.image -}}
{{- $path := printf "%s/" (trimSuffix "/" .Values.migrations.path) -}}
{{- $mounted := regexMatch "(^| )--source" (join " " .Values.extraArgs) -}}
{{- range .Values.extraVolumeMounts -}}
{{- $mount := printf "%s/" (trimSuffix "/" .mountPath) -}}
{{- $mounted = or $mounted (hasPrefix $mount $path) (hasPrefix $path $mount) -}}
{{- end -}}
{{- $tag := include "shiplock.imageTag" (dict "context" . "path" "image" "image" $image) | default .Chart.AppVersion -}}
{{- if and (include "shiplock.isMigratorImage" .) (not $image.digest) (eq $tag .Chart.AppVersion) (not $mounted) -}}
{{- fail (printf "there are no migrations to run: image %s:%s is the migrator alone. Set image.repository and image.tag to an image that holds your migrations, or set migrations.parentConfigMap, migrations.existingConfigMap or migrations.image.repository" $image.repository $tag) -}}
{{- end -}}
{{- end -}}

{{- define "shiplock.validateTimes" -}}
{{- $timeout := include "shiplock.seconds" .Values.timeout | int -}}
{{- $deadline := int .Values.activeDeadlineSeconds -}}
{{- if lt $timeout 1 -}}
{{- fail "timeout must be above 0: it is what ends a migration before the Job's deadline removes the pod with its log" -}}
{{- end -}}
{{- if ge $timeout $deadline -}}
{{- fail (printf "timeout (%v) must be below activeDeadlineSeconds (%d): at that deadline Kubernetes removes the pod and its log, so the migrator must give up first and say why" .Values.timeout $deadline) -}}
{{- end -}}
{{- range $name := list "waitForDatabase" "lockWait" "lockTimeout" -}}
{{- if gt (include "shiplock.seconds" (get $.Values $name) | int) $timeout -}}
{{- fail (printf "%s (%v) must not be above timeout (%v), which ends the whole run: raise timeout (and activeDeadlineSeconds above it) or lower %s" $name (get $.Values $name) $.Values.timeout $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Of two variables of one name Kubernetes silently takes the last, which would override what the values say. */}}
{{- define "shiplock.validateExtraEnv" -}}
{{- $own := dict -}}
{{- range include "shiplock.env" . | fromYamlArray -}}
{{- $_ := set $own .name true -}}
{{- end -}}
{{- if .Values.rollback.allowDataLoss -}}
{{- $_ := set $own "SHIPLOCK_ALLOW_DATA_LOSS" true -}}
{{- end -}}
{{- if eq .Values.rollback.policy "down" -}}
{{- $_ := set $own "SHIPLOCK_ON_NEWER" true -}}
{{- end -}}
{{- range concat .Values.extraEnv .Values.tool.env -}}
{{- if hasKey $own .name -}}
{{- fail (printf "extraEnv or tool.env sets %s, which the chart sets from its own values: use the value, or leave it empty and keep extraEnv" .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
