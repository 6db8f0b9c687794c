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
{{- include "shiplock.validateDatabase" . -}}
{{- include "shiplock.validateMigrations" . -}}
{{- include "shiplock.validateTimes" . -}}
{{- include "shiplock.validateExtraEnv" . -}}
{{- end -}}

{{- define "shiplock.validateDatabase" -}}
{{- $database := .Values.database -}}
{{- $secret := $database.existingSecret -}}
{{- $parts := list -}}
{{- $keys := list -}}
{{- range $part, $_ := include "shiplock.databaseVariables" . | fromYaml -}}
{{- $value := get $database $part -}}
{{- if and (ne $part "port") (hasKey $database $part) (not (kindIs "string" $value)) (not (kindIs "invalid" $value)) -}}
{{- fail (printf "database.%s must be a string, and YAML made a %s of it: put it in quotes, or use --set-string instead of --set" $part (kindIs "bool" $value | ternary "boolean" (kindIs "slice" $value | ternary "list" (kindIs "map" $value | ternary "map" "number")))) -}}
{{- end -}}
{{- $key := get $secret.keys $part -}}
{{- if and $value $key -}}
{{- fail (printf "database.%s and database.existingSecret.keys.%s both give the %s: remove one of them" $part $part $part) -}}
{{- end -}}
{{- if $key -}}
{{- $keys = append $keys $part -}}
{{- end -}}
{{- if or $value $key -}}
{{- $parts = append $parts $part -}}
{{- end -}}
{{- end -}}
{{- if and $secret.name (not $keys) -}}
{{- fail "database.existingSecret.name is set, but no key of it: name the key that holds a connection URL in database.existingSecret.keys.url, or those that hold parts in keys.host, keys.port, keys.name, keys.user, keys.password" -}}
{{- end -}}
{{- if and $keys (not $secret.name) -}}
{{- fail (printf "database.existingSecret.keys.%s is set, but not which Secret it is in: set database.existingSecret.name" (first $keys)) -}}
{{- end -}}
{{- if and $database.ca.secretName $database.ca.configMapName -}}
{{- fail "database.ca.secretName and database.ca.configMapName are both set: the CA bundle comes from one of them" -}}
{{- end -}}
{{- $others := without $parts "url" -}}
{{- if and (has "url" $parts) $others -}}
{{- fail (printf "the database is given twice, by a URL (database.url or existingSecret.keys.url) and by parts (%s): keep the URL or the parts" (join ", " $others)) -}}
{{- end -}}
{{- include "shiplock.validateDatabaseComplete" (dict "context" . "parts" $parts) -}}
{{- end -}}

{{/*
A database without a name, or a connection without a user, is refused: libpq would take the user's name for the database
and so might migrate one that nobody meant. Variables and arguments of the user's own count; what is behind
extraEnvFrom cannot be seen from here.
*/}}
{{- define "shiplock.validateDatabaseComplete" -}}
{{- $values := .context.Values -}}
{{- $own := list -}}
{{- range $values.extraEnv -}}
{{- $own = append $own .name -}}
{{- end -}}
{{- $byArgument := regexMatch "(^| )--database-url" (join " " $values.extraArgs) -}}
{{- $byURL := or (has "url" .parts) (has "DATABASE_URL" $own) (has "SHIPLOCK_DATABASE_URL" $own) $byArgument -}}
{{- if not (or $byURL $values.extraEnvFrom) -}}
{{- $missing := list -}}
{{- $given := .parts -}}
{{- range $part, $variable := include "shiplock.databaseVariables" .context | fromYaml -}}
{{- if has $variable $own -}}
{{- $given = append $given $part -}}
{{- else if and (has $part (list "host" "name" "user")) (not (has $part $given)) -}}
{{- $missing = append $missing $part -}}
{{- end -}}
{{- end -}}
{{- if not $given -}}
{{- fail "no database is given: set database.url, or database.host, name, user and password, or database.existingSecret.name and the keys in it that hold them" -}}
{{- end -}}
{{- with $missing -}}
{{- fail (printf "the database is given by parts, but not its %s: set %s (or the key of an existing Secret in %s)" (join ", " .) (printf "database.%s" (join ", database." .)) (printf "database.existingSecret.keys.%s" (join ", keys." .))) -}}
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
{{- if and $migrations.parentConfigMap .Chart.IsRoot -}}
{{- fail "migrations.parentConfigMap is for a chart that depends on this one; a release of its own takes migrations.existingConfigMap" -}}
{{- end -}}
{{- if and $migrations.image.repository (semverCompare "<1.33.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail (printf "migrations.image needs image volumes, which Kubernetes has from 1.33 on, and this is %s: build the migrations into the migrator's image (image.repository) or use a ConfigMap" .Capabilities.KubeVersion.Version) -}}
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
{{- range $name := list "waitForDatabase" "lockWait" -}}
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
{{- range .Values.extraEnv -}}
{{- if hasKey $own .name -}}
{{- fail (printf "extraEnv sets %s, which the chart sets from its own values: use the value, or leave it empty and keep extraEnv" .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
