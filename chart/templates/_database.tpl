{{/*
The connection settings and their libpq environment variables. Individual settings are never combined into a URL, so a password may
contain any character.
*/}}
{{- define "shiplock.databaseVariables" -}}
url: DATABASE_URL
host: PGHOST
port: PGPORT
dbname: PGDATABASE
username: PGUSER
password: PGPASSWORD
{{- end -}}

{{/* The value of an environment variable, with every $ doubled: Kubernetes expands $(NAME) and converts $$ to $. */}}
{{- define "shiplock.envValue" -}}
{{- toString . | replace "$" "$$" | toJson -}}
{{- end -}}

{{/*
database.existingSecret, a name or {name, keys}, as a JSON object: "name"; "keys" from existingSecret.keys or secretKeys; and the paths of
the two values, "namePath" and "keysPath".
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

{{/* The content of the chart's own Secret: the values that are secret. */}}
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

{{/* "true" if that Secret contains the password or URL of the database. */}}
{{- define "shiplock.hasDatabaseSecret" -}}
{{- if or .Values.database.url .Values.database.password -}}true{{- end -}}
{{- end -}}

{{/* A list as a shell-quoted string. The migrator splits it into words without a shell. */}}
{{- define "shiplock.shellWords" -}}
{{- $words := list -}}
{{- range . -}}
{{- $words = append $words (regexMatch "^[-a-zA-Z0-9_@%+=:,./]+$" . | ternary . (printf "'%s'" (replace "'" "'\\''" .))) -}}
{{- end -}}
{{- join " " $words -}}
{{- end -}}

{{/*
The environment variables of the database connection. A pod whose Secret or key does not exist would not start, without a message, until
the Job's deadline. References to existing Secrets are therefore optional, and SHIPLOCK_REQUIRED_ENV (VARIABLE=secret/key, separated by
spaces) makes the migrator report a missing key immediately, without connecting.
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

{{/* The optional references of shiplock.databaseEnv, in the format of SHIPLOCK_REQUIRED_ENV. */}}
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

{{/* The volume of the CA bundle. It is optional, like the references to Secrets: lib/pq reports the missing file. */}}
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
