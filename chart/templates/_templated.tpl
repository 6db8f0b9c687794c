{{/*
A value that may be a template, rendered: dict "context" . "path" "database.host" "value" "...". White space around a template's
result is dropped. A template that renders to nothing is refused: the value would count as not set.
*/}}
{{- define "shiplock.rendered" -}}
{{- $text := kindIs "invalid" .value | ternary "" (toString .value) -}}
{{- if contains "{{" $text -}}
{{- $text = tpl $text .context | trim -}}
{{- if not $text -}}
{{- include "shiplock.refuse" (list $ (printf ".Values.%s is a template that renders to nothing: check the values that it reads. It sees this chart's own values and the global ones, not those of the parent chart" .path)) -}}
{{- end -}}
{{- end -}}
{{- $text -}}
{{- end -}}

{{/* What a value of the database is, as text: dict "context" . "part" "host". A URL or a password is never a template. */}}
{{- define "shiplock.databaseValue" -}}
{{- $value := get .context.Values.database .part -}}
{{- if has .part (list "host" "port" "dbname" "username" "role") -}}
{{- include "shiplock.rendered" (dict "context" .context "path" (printf "database.%s" .part) "value" $value) -}}
{{- else -}}
{{- $value -}}
{{- end -}}
{{- end -}}

{{/*
The tag of dict "context" . "path" "image" "image" (...), as text. Helm passes a whole number of --set on as it was written. A number of a
file has been through YAML and JSON, which make 1.1 of 1.10, 1000 of 1e3 and 83 of 0123.
*/}}
{{- define "shiplock.imageTag" -}}
{{- $tag := .image.tag -}}
{{- if kindIs "float64" $tag -}}
{{- include "shiplock.refuse" (list $ (printf ".Values.%s.tag must be a string, and YAML made the number %s of it, which may not be what was written (1.10 becomes 1.1, and 1e3 becomes 1000): put the tag in quotes, or use --set-string .Values.%s.tag=…" .path (toJson $tag) .path)) -}}
{{- end -}}
{{- $tag = include "shiplock.rendered" (dict "context" .context "path" (printf "%s.tag" .path) "value" $tag) -}}
{{- if and $tag (not (regexMatch "^[a-zA-Z0-9_][-a-zA-Z0-9_.]{0,127}$" $tag)) -}}
{{- include "shiplock.refuse" (list $ (printf ".Values.%s.tag is %q, which cannot be the tag of an image: a tag has letters, digits, '_', '.' and '-' only, 128 at most; if a template reads a number, put that in quotes" .path $tag)) -}}
{{- end -}}
{{- $tag -}}
{{- end -}}

{{/* Refuses what is no host, or more than one, before a pod has to: dict "path" "database.host" "port" "database.port" "host" "...", which may
be a list as libpq has it. */}}
{{- define "shiplock.validateHost" -}}
{{- $path := .path -}}
{{- $port := .port -}}
{{- if or (contains "://" .host) (hasPrefix "jdbc:" .host) -}}
{{- include "shiplock.refuse" (list $ (printf "%s is a URL: write the name of the host alone, and the rest into .Values.database.port, .Values.database.dbname, .Values.database.username and .Values.database.password; or leave these empty and set .Values.database.url=postgres://…" $path)) -}}
{{- end -}}
{{- range $host := splitList "," .host -}}
{{- if not (or (hasPrefix "/" $host) (hasPrefix "@" $host)) -}}{{/* not a Unix socket */}}
{{- if contains "@" $host -}}
{{- include "shiplock.refuse" (list $ (printf "%s has a user in it: write the name of the host alone, and the user into .Values.database.username" $path)) -}}
{{- else if contains "/" $host -}}
{{- include "shiplock.refuse" (list $ (printf "%s is %q: write the name of the host alone, and the database's name into .Values.database.dbname" $path $host)) -}}
{{- else if regexMatch "^\\[.*\\](:.*)?$" $host -}}
{{- include "shiplock.refuse" (list $ (printf "%s is %q: write the address without brackets, and the port into %s" $path $host $port)) -}}
{{- else if regexMatch "^[^:]*:[^:]*$" $host -}}
{{- include "shiplock.refuse" (list $ (printf "%s is %q: write %s into it, and the port into %s" $path $host (regexFind "^[^:]*" $host) $port)) -}}
{{- else if or (regexMatch "[\\s'\"?#=;\\\\{}$]" $host) (and (contains ":" $host) (not (regexMatch "^[0-9a-fA-F:.]+(%.+)?$" $host))) -}}
{{- include "shiplock.refuse" (list $ (printf "%s is %q, which is neither the name nor the address of a host" $path $host)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Refuses a URL of another database, or one that was meant to be a template: dict "path" "database.url" "url" "...". It may hold a password, so it is not quoted. */}}
{{- define "shiplock.validateURL" -}}
{{- $url := trim .url -}}
{{- if and (not (regexMatch "^postgres(ql)?://" $url)) (or (hasPrefix "jdbc:" $url) (regexMatch "^[^\\s='\"]*://" $url)) -}}
{{- include "shiplock.refuse" (list $ (printf "%s does not begin with postgres:// or postgresql://: shiplock migrates PostgreSQL, and takes postgres://user:password@host:5432/database?sslmode=…, whatever the application's own driver calls it" .path)) -}}
{{- end -}}
{{- $hosts := regexReplaceAll "[?].*$" (regexReplaceAll "^.*@" (regexReplaceAll "^[a-z]+://" $url "") "") "" -}}
{{- if and (regexMatch "^postgres(ql)?://" $url) (contains "{{" $hosts) -}}
{{- include "shiplock.refuse" (list $ (printf "%s has {{ in it, and is not a template, because a password may stand in it: set .Values.database.host, name and user, which are templates, and the password apart from them" .path)) -}}
{{- end -}}
{{- end -}}

{{/* What the values and the user's own variables say of where the database is. */}}
{{- define "shiplock.validateAddress" -}}
{{- $context := . -}}
{{- include "shiplock.validateHost" (dict "context" . "path" ".Values.database.host" "port" ".Values.database.port" "host" (include "shiplock.databaseValue" (dict "context" . "part" "host"))) -}}
{{- include "shiplock.validateURL" (dict "context" . "path" ".Values.database.url" "url" (.Values.database.url | default "")) -}}
{{- with include "shiplock.databaseValue" (dict "context" . "part" "port") -}}
{{- range splitList "," . -}}
{{- if or (not (regexMatch "^[0-9]{1,5}$" .)) (lt (atoi (trimPrefix "0" . | default "0")) 1) (gt (atoi .) 65535) -}}
{{- include "shiplock.refuse" (list $ (printf ".Values.database.port is %q: a port is a number from 1 to 65535, and several are separated by commas" .)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if contains "://" (include "shiplock.databaseValue" (dict "context" . "part" "dbname")) -}}
{{- include "shiplock.refuse" (list $ ".Values.database.dbname is a URL: write the name of the database alone, or set .Values.database.url instead of host, name, user and password") -}}
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
