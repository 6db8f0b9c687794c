{{/*
The values that say how to reach the database, and the libpq variable that each becomes. Parts stay apart all the way to
libpq: no URL is built from them, so a password may hold any character.
*/}}
{{- define "shiplock.databaseVariables" -}}
url: DATABASE_URL
host: PGHOST
port: PGPORT
name: PGDATABASE
user: PGUSER
password: PGPASSWORD
{{- end -}}

{{/* A plain environment value. Kubernetes expands $(NAME) and turns $$ into $ in these, so every $ is doubled. */}}
{{- define "shiplock.envValue" -}}
{{- toString . | replace "$" "$$" | toJson -}}
{{- end -}}

{{- define "shiplock.existingSecretName" -}}
{{- tpl .Values.database.existingSecret.name . -}}
{{- end -}}

{{/* "true" if the chart renders a Secret: there is a URL or a password in the values. */}}
{{- define "shiplock.hasSecret" -}}
{{- if or .Values.database.url .Values.database.password -}}true{{- end -}}
{{- end -}}

{{/*
The environment that leads to the database. A pod whose Secret or key is missing would sit there, silent, until the Job's
deadline. So references to a Secret of the user's are optional, and SHIPLOCK_REQUIRED_ENV (VARIABLE=secret/key, separated by
spaces) makes the migrator say at once which key of which Secret it misses; it connects nowhere without them.
*/}}
{{- define "shiplock.databaseEnv" -}}
{{- $context := . -}}
{{- $database := .Values.database -}}
{{- $required := list -}}
{{- range $part, $variable := include "shiplock.databaseVariables" . | fromYaml -}}
{{- $value := get $database $part -}}
{{- if get $database.existingSecret.keys $part -}}
{{- $name := include "shiplock.existingSecretName" $context -}}
{{- $key := get $database.existingSecret.keys $part -}}
{{- $required = append $required (printf "%s=%s/%s" $variable $name $key) }}
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
  value: {{ include "shiplock.envValue" (eq $part "host" | ternary (tpl (toString $value) $context) $value) }}
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
{{- with $required }}
- name: SHIPLOCK_REQUIRED_ENV
  value: {{ include "shiplock.envValue" (join " " .) }}
{{- end -}}
{{- end -}}

{{/* The CA bundle's volume. Optional for the same reason as the keys above: lib/pq names the file that is not there. */}}
{{- define "shiplock.caVolume" -}}
{{- with .Values.database.ca -}}
{{- if .secretName -}}
- name: {{ get $ "Prefix" }}ca
  secret:
    secretName: {{ tpl .secretName $ | toJson }}
    optional: true
{{- else if .configMapName -}}
- name: {{ get $ "Prefix" }}ca
  configMap:
    name: {{ tpl .configMapName $ | toJson }}
    optional: true
{{- end -}}
{{- end -}}
{{- end -}}
