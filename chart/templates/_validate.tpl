{{/* The seconds of a duration such as 90s, 4m or 1h30m; a number without a unit is seconds. */}}
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

{{/* The path of the chart's values in the values of the release, with a trailing dot: "shiplock.", "booking.orders.", or empty. */}}
{{- define "shiplock.valuesPath" -}}
{{- $path := (get . "Template" | default dict).BasePath | default "" -}}
{{- range $i, $part := splitList "/" (trimSuffix "/templates" $path) -}}
{{- if and $i (eq (mod $i 2) 0) -}}{{ $part }}.{{- end -}}
{{- end -}}
{{- end -}}

{{/* Fails with a message: list CONTEXT TEXT, where CONTEXT may be a dict with "context". Values are written .Values.NAME in TEXT. */}}
{{- define "shiplock.fail" -}}
{{- $context := first . -}}
{{- if hasKey $context "context" -}}
{{- $context = $context.context -}}
{{- end -}}
{{- fail (last . | replace ".Values." (include "shiplock.valuesPath" $context)) -}}
{{- end -}}

{{/* Rules that the schema cannot express. Each message contains the solution. */}}
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
{{- include "shiplock.fail" (list $ ".Values.mode: initContainer requires a parent chart that includes shiplock.initContainer: for a standalone release, set .Values.mode to hook or job") -}}
{{- end -}}
{{- if .Values.migrations.fromChart -}}
{{- include "shiplock.fail" (list $ ".Values.mode: initContainer with .Values.migrations.fromChart would run the new version's files in restarted pods of the old version: build the migrations into the migrator's image (.Values.image.repository), or mount them from an image (.Values.migrations.image)") -}}
{{- end -}}
{{- if eq .Values.onNewer "fail" -}}
{{- include "shiplock.fail" (list $ ".Values.mode: initContainer with .Values.onNewer: fail would prevent pods of the old version from starting during a rollout: remove .Values.onNewer") -}}
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
{{- include "shiplock.fail" (list $ (printf "more than one source of migrations: %s are set. Keep one of them" (join " and " $sources))) -}}
{{- end -}}
{{- if not (or $sources .Values.tool.image.repository) -}}
{{- include "shiplock.validateMigrationsInImage" . -}}
{{- end -}}
{{- if and $migrations.fromChart .Chart.IsRoot -}}
{{- include "shiplock.fail" (list $ ".Values.migrations.fromChart requires a parent chart: for a standalone release, set .Values.migrations.existingConfigMap") -}}
{{- end -}}
{{- if and $migrations.image.repository (semverCompare "<1.33.0-0" .Capabilities.KubeVersion.Version) -}}
{{- include "shiplock.fail" (list $ (printf ".Values.migrations.image requires image volumes, which Kubernetes supports since 1.33, and this cluster runs %s: build the migrations into the migrator's image (.Values.image.repository), or use a ConfigMap" .Capabilities.KubeVersion.Version)) -}}
{{- end -}}
{{- end -}}

{{/* The migrator's own image contains no migrations. An image with another tag or a digest may contain some. */}}
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
{{- include "shiplock.fail" (list $ (printf "no migrations configured: image %s:%s contains only the migrator. Set .Values.image.repository and .Values.image.tag to an image that contains your migrations, or set .Values.migrations.fromChart, .Values.migrations.existingConfigMap or .Values.migrations.image.repository" $image.repository $tag)) -}}
{{- end -}}
{{- end -}}

{{- define "shiplock.validateTimes" -}}
{{- $timeout := include "shiplock.seconds" .Values.timeout | int -}}
{{- $deadline := int .Values.activeDeadlineSeconds -}}
{{- if lt $timeout 1 -}}
{{- include "shiplock.fail" (list $ ".Values.timeout must be above 0: otherwise the Job's deadline removes the pod and its log before the migrator can report a timeout") -}}
{{- end -}}
{{- if ge $timeout $deadline -}}
{{- include "shiplock.fail" (list $ (printf ".Values.timeout (%v) must be below .Values.activeDeadlineSeconds (%d): at that deadline Kubernetes removes the pod and its log, so the migrator must time out and report first" .Values.timeout $deadline)) -}}
{{- end -}}
{{- range $name := list "waitForDatabase" "lockWait" "lockTimeout" -}}
{{- if gt (include "shiplock.seconds" (get $.Values $name) | int) $timeout -}}
{{- include "shiplock.fail" (list $ (printf ".Values.%s (%v) must not be above .Values.timeout (%v), which limits the whole run: increase .Values.timeout and .Values.activeDeadlineSeconds, or decrease .Values.%s" $name (get $.Values $name) $.Values.timeout $name)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Kubernetes uses the last of two variables with the same name, so extraEnv would silently override the values. */}}
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
{{- include "shiplock.fail" (list $ (printf ".Values.extraEnv or .Values.tool.env sets %s, which the chart sets from other values: use those values, or remove them and keep .Values.extraEnv" .name)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
