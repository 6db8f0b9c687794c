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

{{/*
Where the values of the chart stand in those of the whole release, with a dot at the end: "shiplock.", "booking.orders.", or nothing.
*/}}
{{- define "shiplock.valuesPath" -}}
{{- $path := (get . "Template" | default dict).BasePath | default "" -}}
{{- range $i, $part := splitList "/" (trimSuffix "/templates" $path) -}}
{{- if and $i (eq (mod $i 2) 0) -}}{{ $part }}.{{- end -}}
{{- end -}}
{{- end -}}

{{/* Refuses the values: list CONTEXT TEXT, where CONTEXT may be a dict with "context". A value is written .Values.NAME in the text. */}}
{{- define "shiplock.refuse" -}}
{{- $context := first . -}}
{{- if hasKey $context "context" -}}
{{- $context = $context.context -}}
{{- end -}}
{{- fail (last . | replace ".Values." (include "shiplock.valuesPath" $context)) -}}
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
{{- include "shiplock.validateImages" . -}}
{{- $_ := include "shiplock.objectAnnotations" (dict "context" . "weight" 0) -}}
{{- end -}}

{{- define "shiplock.validateMode" -}}
{{- if eq .Values.mode "initContainer" -}}
{{- if .Chart.IsRoot -}}
{{- include "shiplock.refuse" (list $ ".Values.mode: initContainer is for a chart that depends on this one and calls shiplock.initContainer; a release of its own takes .Values.mode: hook or job") -}}
{{- end -}}
{{- if .Values.migrations.fromChart -}}
{{- include "shiplock.refuse" (list $ ".Values.mode: initContainer with .Values.migrations.fromChart would let a restarted pod of the old version run the new version's files: build the migrations into the migrator's image (.Values.image.repository), or mount them from an image (.Values.migrations.image)") -}}
{{- end -}}
{{- if eq .Values.onNewer "fail" -}}
{{- include "shiplock.refuse" (list $ ".Values.mode: initContainer with .Values.onNewer: fail would keep pods of the old version from starting while the new one is rolled out: leave .Values.onNewer empty") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "shiplock.validateMigrations" -}}
{{- $migrations := .Values.migrations -}}
{{- $sources := list -}}
{{- if $migrations.fromChart -}}
{{- $sources = append $sources "migrations.fromChart" -}}
{{- end -}}
{{- if $migrations.existingConfigMap -}}
{{- $sources = append $sources "migrations.existingConfigMap" -}}
{{- end -}}
{{- if $migrations.image.repository -}}
{{- $sources = append $sources "migrations.image.repository" -}}
{{- end -}}
{{- if gt (len $sources) 1 -}}
{{- include "shiplock.refuse" (list $ (printf "the migrations come from one place, but %s are set: keep one of them" (join " and " $sources))) -}}
{{- end -}}
{{- if not (or $sources .Values.tool.image.repository) -}}
{{- include "shiplock.validateMigrationsInImage" . -}}
{{- end -}}
{{- if and $migrations.fromChart .Chart.IsRoot -}}
{{- include "shiplock.refuse" (list $ ".Values.migrations.fromChart is for a chart that depends on this one; a release of its own takes .Values.migrations.existingConfigMap") -}}
{{- end -}}
{{- if and $migrations.image.repository (semverCompare "<1.33.0-0" .Capabilities.KubeVersion.Version) -}}
{{- include "shiplock.refuse" (list $ (printf ".Values.migrations.image needs image volumes, which Kubernetes has from 1.33 on, and this is %s: build the migrations into the migrator's image (.Values.image.repository) or use a ConfigMap" .Capabilities.KubeVersion.Version)) -}}
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
{{- include "shiplock.refuse" (list $ (printf "there are no migrations to run: image %s:%s is the migrator alone. Set .Values.image.repository and .Values.image.tag to an image that holds your migrations, or set .Values.migrations.fromChart, .Values.migrations.existingConfigMap or .Values.migrations.image.repository" $image.repository $tag)) -}}
{{- end -}}
{{- end -}}

{{- define "shiplock.validateTimes" -}}
{{- $timeout := include "shiplock.seconds" .Values.timeout | int -}}
{{- $deadline := int .Values.activeDeadlineSeconds -}}
{{- if lt $timeout 1 -}}
{{- include "shiplock.refuse" (list $ ".Values.timeout must be above 0: it is what ends a migration before the Job's deadline removes the pod with its log") -}}
{{- end -}}
{{- if ge $timeout $deadline -}}
{{- include "shiplock.refuse" (list $ (printf ".Values.timeout (%v) must be below .Values.activeDeadlineSeconds (%d): at that deadline Kubernetes removes the pod and its log, so the migrator must give up first and say why" .Values.timeout $deadline)) -}}
{{- end -}}
{{- range $name := list "waitForDatabase" "lockWait" "lockTimeout" -}}
{{- if gt (include "shiplock.seconds" (get $.Values $name) | int) $timeout -}}
{{- include "shiplock.refuse" (list $ (printf ".Values.%s (%v) must not be above .Values.timeout (%v), which ends the whole run: raise .Values.timeout (and .Values.activeDeadlineSeconds above it) or lower .Values.%s" $name (get $.Values $name) $.Values.timeout $name)) -}}
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
{{- include "shiplock.refuse" (list $ (printf ".Values.extraEnv or .Values.tool.env sets %s, which the chart sets from its own values: use the value, or leave it empty and keep .Values.extraEnv" .name)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
