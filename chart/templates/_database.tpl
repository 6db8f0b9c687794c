{{/*
The values that say how to reach the database, and the libpq variable that each becomes. Parts stay apart all the way to
libpq: no URL is built from them, so a password may hold any character.
*/}}
{{- define "shiplock.databaseVariables" -}}
url: DATABASE_URL
host: PGHOST
port: PGPORT
dbname: PGDATABASE
username: PGUSER
password: PGPASSWORD
{{- end -}}

{{/* A plain environment value. Kubernetes expands $(NAME) and turns $$ into $ in these, so every $ is doubled. */}}
{{- define "shiplock.envValue" -}}
{{- toString . | replace "$" "$$" | toJson -}}
{{- end -}}

{{/*
database.existingSecret, which is a name or {name, keys}, as a map: "name"; "keys", from existingSecret.keys or secretKeys; and the paths of
both in the values, "namePath" and "keysPath".
*/}}
{{- define "shiplock.existingSecret" -}}
{{- $secret := .Values.database.existingSecret -}}
{{- $isName := kindIs "string" $secret -}}
{{- $object := $isName | ternary dict ($secret | default dict) -}}
{{- $inline := get $object "keys" | default dict -}}
{{- if not ($inline | values | compact) -}}
{{- $inline = dict -}}
{{- end -}}
{{- toJson (dict
  "name" ($isName | ternary $secret (get $object "name" | default ""))
  "namePath" (kindIs "map" $secret | ternary "database.existingSecret.name" "database.existingSecret")
  "keys" ($inline | default .Values.database.secretKeys)
  "keysPath" ($inline | empty | not | ternary "database.existingSecret.keys" "database.secretKeys")
) -}}
{{- end -}}

{{- define "shiplock.existingSecretName" -}}
{{- $secret := include "shiplock.existingSecret" . | fromJson -}}
{{- include "shiplock.rendered" (dict "context" . "path" $secret.namePath "value" $secret.name) -}}
{{- end -}}

{{/* What is secret in the values, and so in the chart's own Secret. */}}
{{- define "shiplock.secretData" -}}
{{- $data := dict
  "url" .Values.database.url "password" .Values.database.password
  "webhook-url" .Values.notify.webhook.url "webhook-token" .Values.notify.webhook.token
  "webhook-template" .Values.notify.webhook.template "pushgateway-url" .Values.notify.pushgateway.url
-}}
{{- range $key, $value := $data -}}
{{- if $value }}
{{ $key }}: {{ toJson $value }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* "true" if the chart renders a Secret. */}}
{{- define "shiplock.hasSecret" -}}
{{- if include "shiplock.secretData" . -}}true{{- end -}}
{{- end -}}

{{/* "true" if that Secret leads to the database. */}}
{{- define "shiplock.hasDatabaseSecret" -}}
{{- if or .Values.database.url .Values.database.password -}}true{{- end -}}
{{- end -}}

{{/* A list as words of a shell, which is how the migrator takes a command apart; it starts no shell. */}}
{{- define "shiplock.shellWords" -}}
{{- $words := list -}}
{{- range . -}}
{{- $words = append $words (regexMatch "^[-a-zA-Z0-9_@%+=:,./]+$" . | ternary . (printf "'%s'" (replace "'" "'\\''" .))) -}}
{{- end -}}
{{- join " " $words -}}
{{- end -}}

{{/*
The environment that leads to the database. A pod whose Secret or key is missing would sit there, silent, until the Job's
deadline. So references to a Secret of the user's are optional, and SHIPLOCK_REQUIRED_ENV (VARIABLE=secret/key, separated by
spaces) makes the migrator say at once which key of which Secret it misses; it connects nowhere without them.
*/}}
{{- define "shiplock.databaseEnv" -}}
{{- $context := . -}}
{{- $database := .Values.database -}}
{{- $secret := include "shiplock.existingSecret" . | fromJson -}}
{{- range $part, $variable := include "shiplock.databaseVariables" . | fromYaml -}}
{{- $value := include "shiplock.databaseValue" (dict "context" $context "part" $part) -}}
{{- $key := get $secret.keys $part -}}
{{- if $key -}}
{{- $name := include "shiplock.existingSecretName" $context }}
- name: {{ $variable }}
  valueFrom:
    secretKeyRef:
      name: {{ $name | toJson }}
      key: {{ $key | toJson }}
      optional: true
{{- else if and $value (has $part (list "url" "password")) }}
- name: {{ $variable }}
  valueFrom:
    secretKeyRef:
      name: {{ include "shiplock.secretName" $context }}
      key: {{ $part }}
{{- else if $value }}
- name: {{ $variable }}
  value: {{ include "shiplock.envValue" $value }}
{{- end -}}
{{- end -}}
{{- range list
  (list "SHIPLOCK_DATABASE_URL_FILE" $database.urlFile)
  (list "SHIPLOCK_PASSWORD_FILE" $database.passwordFile)
  (list "SHIPLOCK_PASSWORD_COMMAND" (include "shiplock.shellWords" $database.passwordCommand))
  (list "SHIPLOCK_ROLE" (include "shiplock.databaseValue" (dict "context" . "part" "role")))
-}}
{{- if last . }}
- name: {{ first . }}
  value: {{ include "shiplock.envValue" (last .) }}
{{- end -}}
{{- end -}}
{{- with $database.sslMode }}
- name: PGSSLMODE
  value: {{ . }}
{{- end -}}
{{- if or $database.ca.secretName $database.ca.configMapName }}
- name: PGSSLROOTCERT
  value: {{ include "shiplock.envValue" (printf "/etc/shiplock/ca/%s" $database.ca.key) }}
{{- end -}}
{{- end -}}

{{/* The references of the above that may be missing, as SHIPLOCK_REQUIRED_ENV wants them. */}}
{{- define "shiplock.databaseRequired" -}}
{{- $context := . -}}
{{- $required := list -}}
{{- $secret := include "shiplock.existingSecret" . | fromJson -}}
{{- range $part, $variable := include "shiplock.databaseVariables" . | fromYaml -}}
{{- with get $secret.keys $part -}}
{{- $required = append $required (printf "%s=%s/%s" $variable (include "shiplock.existingSecretName" $context) .) -}}
{{- end -}}
{{- end -}}
{{- join " " $required -}}
{{- end -}}

{{/* The CA bundle's volume. Optional for the same reason as the keys above: lib/pq names the file that is not there. */}}
{{- define "shiplock.caVolume" -}}
{{- with .Values.database.ca -}}
{{- if .secretName -}}
- name: {{ get $ "Prefix" }}ca
  secret:
    secretName: {{ include "shiplock.rendered" (dict "context" $ "path" "database.ca.secretName" "value" .secretName) | toJson }}
    optional: true
{{- else if .configMapName -}}
- name: {{ get $ "Prefix" }}ca
  configMap:
    name: {{ include "shiplock.rendered" (dict "context" $ "path" "database.ca.configMapName" "value" .configMapName) | toJson }}
    optional: true
{{- end -}}
{{- end -}}
{{- end -}}
