{{/* The database is given once, whole, and by strings. */}}
{{- define "shiplock.validateDatabase" -}}
{{- $database := .Values.database -}}
{{- $secret := $database.existingSecret -}}
{{- $parts := list -}}
{{- $keys := list -}}
{{- range $part, $_ := include "shiplock.databaseVariables" . | fromYaml -}}
{{- $value := get $database $part -}}
{{- if and (ne $part "port") (hasKey $database $part) (not (kindIs "string" $value)) (not (kindIs "invalid" $value)) -}}
{{- include "shiplock.refuse" (list $ (printf ".Values.database.%s must be a string, and YAML made a %s of it: put it in quotes, or use --set-string instead of --set" $part (kindIs "bool" $value | ternary "boolean" (kindIs "slice" $value | ternary "list" (kindIs "map" $value | ternary "map" "number"))))) -}}
{{- end -}}
{{- $key := get $secret.keys $part -}}
{{- if and $value $key -}}
{{- include "shiplock.refuse" (list $ (printf ".Values.database.%s and .Values.database.existingSecret.keys.%s both give the %s: remove one of them" $part $part $part)) -}}
{{- end -}}
{{- if $key -}}
{{- $keys = append $keys $part -}}
{{- end -}}
{{- if or $value $key -}}
{{- $parts = append $parts $part -}}
{{- end -}}
{{- end -}}
{{- if and $secret.name (not $keys) -}}
{{- include "shiplock.refuse" (list $ ".Values.database.existingSecret.name is set, but no key of it: name the key that holds a connection URL in .Values.database.existingSecret.keys.url, or those that hold parts in keys.host, keys.port, keys.name, keys.user, keys.password") -}}
{{- end -}}
{{- if and $keys (not $secret.name) -}}
{{- include "shiplock.refuse" (list $ (printf ".Values.database.existingSecret.keys.%s is set, but not which Secret it is in: set .Values.database.existingSecret.name" (first $keys))) -}}
{{- end -}}
{{- $rendered := include "shiplock.hasSecret" . | empty | not | ternary (include "shiplock.secretName" .) "" -}}
{{- range $path, $name := dict "database.existingSecret.name" $secret.name "database.ca.secretName" $database.ca.secretName -}}
{{- if and $name (eq (include "shiplock.rendered" (dict "context" $ "path" $path "value" $name)) $rendered) -}}
{{- include "shiplock.refuse" (list $ (printf ".Values.%s is %q, which is also the name of the Secret that the chart makes: helm would delete yours, so rename it or set .Values.fullnameOverride" $path $rendered)) -}}
{{- end -}}
{{- end -}}
{{- if and $database.ca.secretName $database.ca.configMapName -}}
{{- include "shiplock.refuse" (list $ ".Values.database.ca.secretName and .Values.database.ca.configMapName are both set: the CA bundle comes from one of them") -}}
{{- end -}}
{{- include "shiplock.validatePassword" (dict "context" . "database" $database "parts" $parts) -}}
{{- if $database.urlFile -}}
{{- $parts = append $parts "url" -}}
{{- end -}}
{{- $others := without $parts "url" -}}
{{- if and (has "url" $parts) $others -}}
{{- include "shiplock.refuse" (list $ (printf "the database is given twice, by a URL (.Values.database.url, urlFile or existingSecret.keys.url) and by parts (%s): keep the URL or the parts" (join ", " $others))) -}}
{{- end -}}
{{- include "shiplock.validateDatabaseComplete" (dict "context" . "parts" $parts) -}}
{{- include "shiplock.validateAddress" . -}}
{{- end -}}

{{/*
A database without a name, or a connection without a user, is refused: libpq would take the user's name for the database
and so might migrate one that nobody meant. Variables and arguments of the user's own count; what is behind
extraEnvFrom or in a service file cannot be seen from here.
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
{{- $given := .parts -}}
{{- range $part, $variable := include "shiplock.databaseVariables" .context | fromYaml -}}
{{- if has $variable $own -}}
{{- $given = append $given $part -}}
{{- else if and (has $part (list "host" "name" "user")) (not (has $part $given)) -}}
{{- $missing = append $missing $part -}}
{{- end -}}
{{- end -}}
{{- if not $given -}}
{{- include "shiplock.refuse" (list $ "no database is given: set .Values.database.url, or .Values.database.host, name, user and password, or .Values.database.existingSecret.name and the keys in it that hold them") -}}
{{- end -}}
{{- with $missing -}}
{{- include "shiplock.refuse" (list $ (printf "the database is given by parts, but not its %s: set %s (or the key of an existing Secret in %s)" (join ", " .) (printf ".Values.database.%s" (join ", .Values.database." .)) (printf ".Values.database.existingSecret.keys.%s" (join ", keys." .)))) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The password, and the URL, come from one place: the migrator would refuse the second, and the release has begun by then. */}}
{{- define "shiplock.validatePassword" -}}
{{- $sources := list -}}
{{- if has "password" .parts -}}
{{- $sources = append $sources (.database.password | empty | ternary "existingSecret.keys.password" "password") -}}
{{- end -}}
{{- range list "passwordCommand" "passwordFile" -}}
{{- if get $.database . -}}
{{- $sources = append $sources . -}}
{{- end -}}
{{- end -}}
{{- if gt (len $sources) 1 -}}
{{- include "shiplock.refuse" (list $ (printf "the password is given by .Values.database.%s: keep one of them" (join " and by .Values.database." $sources))) -}}
{{- end -}}
{{- if and .database.urlFile (has "url" .parts) -}}
{{- include "shiplock.refuse" (list $ "the database's URL is given twice, by .Values.database.urlFile and by .Values.database.url or existingSecret.keys.url: keep one of them") -}}
{{- end -}}
{{- end -}}
