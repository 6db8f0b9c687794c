{{/*
The rendered value of dict "context" . "path" "database.host" "value" "...", which may be a template. White space around the result of a
template is removed. An empty result is refused: the value would count as not set.
*/}}
{{- define "shiplock.rendered" -}}
{{- $text := kindIs "invalid" .value | ternary "" (toString .value) -}}
{{- if contains "{{" $text -}}
{{- $text = tpl $text .context | trim -}}
{{- if not $text -}}
{{- include "shiplock.fail" (list $ (printf ".Values.%s is a template with an empty result: check the values it references. Templates can read this chart's values and global, not the parent chart's values" .path)) -}}
{{- end -}}
{{- end -}}
{{- $text -}}
{{- end -}}

{{/* A connection setting as text: dict "context" . "part" "host". URLs and passwords are never templates. */}}
{{- define "shiplock.databaseValue" -}}
{{- $value := get .context.Values.database .part -}}
{{- if has .part (list "host" "port" "dbname" "username" "role") -}}
{{- include "shiplock.rendered" (dict "context" .context "path" (printf "database.%s" .part) "value" $value) -}}
{{- else -}}
{{- $value -}}
{{- end -}}
{{- end -}}

{{/*
The tag of dict "context" . "path" "image" "image" (...), as text. Helm preserves whole numbers of --set. Numbers in files are changed by YAML
and JSON: 1.10 becomes 1.1, 1e3 becomes 1000, 0123 becomes 83.
*/}}
{{- define "shiplock.imageTag" -}}
{{- $tag := .image.tag -}}
{{- if kindIs "float64" $tag -}}
{{- include "shiplock.fail" (list $ (printf ".Values.%s.tag must be a string, but is the number %s, which YAML may have changed (1.10 becomes 1.1, 1e3 becomes 1000): quote the tag, or use --set-string .Values.%s.tag=…" .path (toJson $tag) .path)) -}}
{{- end -}}
{{- $tag = include "shiplock.rendered" (dict "context" .context "path" (printf "%s.tag" .path) "value" $tag) -}}
{{- if and $tag (not (regexMatch "^[a-zA-Z0-9_][-a-zA-Z0-9_.]{0,127}$" $tag)) -}}
{{- include "shiplock.fail" (list $ (printf ".Values.%s.tag is %q, which is not a valid image tag: use at most 128 letters, digits, '_', '.' and '-'. If a template reads a number, quote the number" .path $tag)) -}}
{{- end -}}
{{- $tag -}}
{{- end -}}

{{/* Refuses an invalid host: dict "path" "database.host" "port" "database.port" "host" "...", which may be a comma-separated list. */}}
{{- define "shiplock.validateHost" -}}
{{- $path := .path -}}
{{- $port := .port -}}
{{- if or (contains "://" .host) (hasPrefix "jdbc:" .host) -}}
{{- include "shiplock.fail" (list $ (printf "%s is a URL: set it to the host name, and set .Values.database.port, .Values.database.dbname, .Values.database.username and .Values.database.password; or remove these and set .Values.database.url=postgres://…" $path)) -}}
{{- end -}}
{{- range $host := splitList "," .host -}}
{{- if not (or (hasPrefix "/" $host) (hasPrefix "@" $host)) -}}{{/* not a Unix socket */}}
{{- if contains "@" $host -}}
{{- include "shiplock.fail" (list $ (printf "%s contains a user name: set it to the host name, and set .Values.database.username" $path)) -}}
{{- else if contains "/" $host -}}
{{- include "shiplock.fail" (list $ (printf "%s is %q: set it to the host name, and set .Values.database.dbname to the database name" $path $host)) -}}
{{- else if regexMatch "^\\[.*\\](:.*)?$" $host -}}
{{- include "shiplock.fail" (list $ (printf "%s is %q: remove the brackets, and set the port in %s" $path $host $port)) -}}
{{- else if regexMatch "^[^:]*:[^:]*$" $host -}}
{{- include "shiplock.fail" (list $ (printf "%s is %q: set it to %s, and set the port in %s" $path $host (regexFind "^[^:]*" $host) $port)) -}}
{{- else if or (regexMatch "[\\s'\"?#=;\\\\{}$]" $host) (and (contains ":" $host) (not (regexMatch "^[0-9a-fA-F:.]+(%.+)?$" $host))) -}}
{{- include "shiplock.fail" (list $ (printf "%s is %q, which is not a valid host name or address" $path $host)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Refuses a URL of another DBMS, or a template: dict "path" "database.url" "url" "...". Messages do not contain the URL: it may contain a password. */}}
{{- define "shiplock.validateURL" -}}
{{- $url := trim .url -}}
{{- if and (not (regexMatch "^postgres(ql)?://" $url)) (or (hasPrefix "jdbc:" $url) (regexMatch "^[^\\s='\"]*://" $url)) -}}
{{- include "shiplock.fail" (list $ (printf "%s does not begin with postgres:// or postgresql://: set it to a PostgreSQL URL, postgres://user:password@host:5432/database?sslmode=…, also if the application's driver uses another scheme" .path)) -}}
{{- end -}}
{{- $hosts := regexReplaceAll "[?].*$" (regexReplaceAll "^.*@" (regexReplaceAll "^[a-z]+://" $url "") "") "" -}}
{{- if and (regexMatch "^postgres(ql)?://" $url) (contains "{{" $hosts) -}}
{{- include "shiplock.fail" (list $ (printf "%s contains {{, but URLs are not templates: set .Values.database.host, dbname and username, which may be templates, and the password separately" .path)) -}}
{{- end -}}
{{- end -}}

{{/* Checks the address of the database in the values and in extraEnv. */}}
{{- define "shiplock.validateAddress" -}}
{{- $context := . -}}
{{- include "shiplock.validateHost" (dict "context" . "path" ".Values.database.host" "port" ".Values.database.port" "host" (include "shiplock.databaseValue" (dict "context" . "part" "host"))) -}}
{{- include "shiplock.validateURL" (dict "context" . "path" ".Values.database.url" "url" (.Values.database.url | default "")) -}}
{{- with include "shiplock.databaseValue" (dict "context" . "part" "port") -}}
{{- range splitList "," . -}}
{{- if or (not (regexMatch "^[0-9]{1,5}$" .)) (lt (atoi (trimPrefix "0" . | default "0")) 1) (gt (atoi .) 65535) -}}
{{- include "shiplock.fail" (list $ (printf ".Values.database.port is %q: set it to a number from 1 to 65535, or to several, separated by commas" .)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if contains "://" (include "shiplock.databaseValue" (dict "context" . "part" "dbname")) -}}
{{- include "shiplock.fail" (list $ ".Values.database.dbname is a URL: set it to the database name, or set .Values.database.url instead of host, dbname, username and password") -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- $value := toString (.value | default "") -}}
{{- if and (eq .name "PGHOST") (not (contains "$(" $value)) -}}
{{- include "shiplock.validateHost" (dict "context" $context "path" "PGHOST in .Values.extraEnv" "port" "PGPORT" "host" $value) -}}
{{- else if has .name (list "DATABASE_URL" "SHIPLOCK_DATABASE_URL") -}}
{{- include "shiplock.validateURL" (dict "context" $context "path" (printf "%s in .Values.extraEnv" .name) "url" $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}
