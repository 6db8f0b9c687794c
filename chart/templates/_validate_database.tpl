{{/* Checks that the database is configured once, completely, and with strings. */}}
{{- define "shiplock.validateDatabase" -}}
{{- $database := .Values.database -}}
{{- $secret := include "shiplock.existingSecret" . | fromJson -}}
{{- $parts := list -}}
{{- $keys := list -}}
{{- range $part, $_ := include "shiplock.databaseVariables" . | fromYaml -}}
{{- $value := get $database $part -}}
{{- if and (ne $part "port") (hasKey $database $part) (not (kindIs "string" $value)) (not (kindIs "invalid" $value)) -}}
{{- include "shiplock.fail" (list $ (printf ".Values.database.%s must be a string, but is a %s: quote it, or use --set-string instead of --set" $part (kindIs "bool" $value | ternary "boolean" (kindIs "slice" $value | ternary "list" (kindIs "map" $value | ternary "map" "number"))))) -}}
{{- end -}}
{{- $key := get $secret.keys $part -}}
{{- if and $value $key -}}
{{- include "shiplock.fail" (list $ (printf ".Values.database.%s and .Values.%s.%s are both set: remove one of them" $part $secret.keysPath $part)) -}}
{{- end -}}
{{- if $key -}}
{{- $keys = append $keys $part -}}
{{- end -}}
{{- if or $value $key -}}
{{- $parts = append $parts $part -}}
{{- end -}}
{{- end -}}
{{- if and (kindIs "map" $database.existingSecret) (get ($database.existingSecret | default dict) "keys" | default dict | values | compact) ($database.secretKeys | values | compact) -}}
{{- include "shiplock.fail" (list $ ".Values.database.existingSecret.keys and .Values.database.secretKeys are both set: remove one of them") -}}
{{- end -}}
{{- if and $secret.name (not $keys) -}}
{{- include "shiplock.fail" (list $ (printf ".Values.%s is set, but none of its keys: set .Values.%s.url to the key that contains a connection URL, or host, port, dbname, username and password to the keys that contain individual settings" $secret.namePath $secret.keysPath)) -}}
{{- end -}}
{{- if and $keys (not $secret.name) -}}
{{- include "shiplock.fail" (list $ (printf ".Values.%s.%s is set, but no Secret: set .Values.%s to the name of the Secret" $secret.keysPath (first $keys) $secret.namePath)) -}}
{{- end -}}
{{- $rendered := include "shiplock.hasSecret" . | empty | not | ternary (include "shiplock.secretName" .) "" -}}
{{- range $path, $name := dict $secret.namePath $secret.name "database.ca.secretName" $database.ca.secretName -}}
{{- if and $name (eq (include "shiplock.rendered" (dict "context" $ "path" $path "value" $name)) $rendered) -}}
{{- include "shiplock.fail" (list $ (printf ".Values.%s is %q, which is also the name of the Secret that the chart creates, and Helm would delete yours: rename it, or set .Values.fullnameOverride" $path $rendered)) -}}
{{- end -}}
{{- end -}}
{{- if and $database.ca.secretName $database.ca.configMapName -}}
{{- include "shiplock.fail" (list $ ".Values.database.ca.secretName and .Values.database.ca.configMapName are both set: remove one of them") -}}
{{- end -}}
{{- include "shiplock.validatePassword" (dict "context" . "database" $database "parts" $parts "keysPath" $secret.keysPath) -}}
{{- if $database.urlFile -}}
{{- $parts = append $parts "url" -}}
{{- end -}}
{{- $others := without $parts "url" -}}
{{- if and (has "url" $parts) $others -}}
{{- include "shiplock.fail" (list $ (printf "the database is configured twice, by a URL (.Values.database.url, urlFile or the URL key of a Secret) and by individual settings (%s): keep one of the two" (join ", " $others))) -}}
{{- end -}}
{{- include "shiplock.validateDatabaseComplete" (dict "context" . "parts" $parts "keysPath" $secret.keysPath) -}}
{{- include "shiplock.validateAddress" . -}}
{{- end -}}

{{/*
Refuses a connection without a database name or user name: libpq would use the user name as the name of the database and could migrate the
wrong database. extraEnv and extraArgs count as configuration; the content of extraEnvFrom and of service files is unknown here.
*/}}
{{- define "shiplock.validateDatabaseComplete" -}}
{{- $values := .context.Values -}}
{{- $own := list -}}
{{- range $values.extraEnv -}}
{{- $own = append $own .name -}}
{{- end -}}
{{- $byArgument := regexMatch "(^| )--database-url" (join " " $values.extraArgs) -}}
{{- $byURL := or (has "url" .parts) (has "DATABASE_URL" $own) (has "SHIPLOCK_DATABASE_URL" $own) (has "SHIPLOCK_DATABASE_URL_FILE" $own) (has "PGSERVICE" $own) $byArgument -}}
{{- if not (or $byURL $values.extraEnvFrom) -}}
{{- $missing := list -}}
{{- $keysPath := .keysPath -}}
{{- $given := .parts -}}
{{- range $part, $variable := include "shiplock.databaseVariables" .context | fromYaml -}}
{{- if has $variable $own -}}
{{- $given = append $given $part -}}
{{- else if and (has $part (list "host" "dbname" "username")) (not (has $part $given)) -}}
{{- $missing = append $missing $part -}}
{{- end -}}
{{- end -}}
{{- if not $given -}}
{{- include "shiplock.fail" (list $ "no database is configured: set .Values.database.url, or .Values.database.host, dbname, username and password, or .Values.database.existingSecret and .Values.database.secretKeys") -}}
{{- end -}}
{{- with $missing -}}
{{- include "shiplock.fail" (list $ (printf "incomplete database settings: set .Values.database.%s, or, for an existing Secret, .Values.%s.%s" (join " and .Values.database." .) $keysPath (join (printf " and .Values.%s." $keysPath) .))) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Checks that the password and the URL are set once. The migrator checks this as well, but only after the release has started. */}}
{{- define "shiplock.validatePassword" -}}
{{- $sources := list -}}
{{- if has "password" .parts -}}
{{- $sources = append $sources (.database.password | empty | ternary (printf "%s.password" .keysPath) "database.password") -}}
{{- end -}}
{{- range list "passwordCommand" "passwordFile" -}}
{{- if get $.database . -}}
{{- $sources = append $sources (printf "database.%s" .) -}}
{{- end -}}
{{- end -}}
{{- if gt (len $sources) 1 -}}
{{- include "shiplock.fail" (list $ (printf "the password is set by .Values.%s: keep one of them" (join " and by .Values." $sources))) -}}
{{- end -}}
{{- if and .database.urlFile (has "url" .parts) -}}
{{- include "shiplock.fail" (list $ (printf "the database URL is set twice, by .Values.database.urlFile and by .Values.database.url or .Values.%s.url: keep one of them" .keysPath)) -}}
{{- end -}}
{{- end -}}
