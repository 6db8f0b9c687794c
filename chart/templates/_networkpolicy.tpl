{{/*
One rule of what may go out: dict "to" (peers; none means anywhere) "ports" (never empty, which would mean any) "protocols".
*/}}
{{- define "shiplock.egress" -}}
- ports:
    {{- range $port := .ports }}
    {{- range $protocol := $.protocols | default (list "TCP") }}
    - port: {{ int $port }}
      protocol: {{ $protocol }}
    {{- end }}
    {{- end }}
  {{- with .to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* The port of a URL in the values, as text; empty if it has none, or there is no URL. */}}
{{- define "shiplock.urlPort" -}}
{{- regexFind ":[0-9]+$" (regexReplaceAll "^[a-zA-Z0-9+.-]+://([^/?#]*@)?([^/?#]*).*$" (toString .) "${2}") | trimPrefix ":" -}}
{{- end -}}

{{/* Ports as a JSON list: the ones given, else those of the text, separated by commas, else the default. */}}
{{- define "shiplock.policyPorts" -}}
{{- $ports := .given -}}
{{- if not $ports -}}
{{- range splitList "," (toString (.text | default "")) -}}
{{- if . -}}
{{- $ports = append $ports (atoi .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson ($ports | default (list .default)) -}}
{{- end -}}

{{/* The database's ports. A URL may name them beside its hosts, or as a parameter, and a libpq string has nothing but parameters. */}}
{{- define "shiplock.databasePorts" -}}
{{- $parameter := regexFind "(^|[?& ])port *= *'?[0-9,]+" (toString .Values.database.url) | regexFind "[0-9,]+$" -}}
{{- $hosts := regexReplaceAll "^[a-zA-Z0-9+.-]+://([^/?#]*@)?([^/?#]*).*$" (toString .Values.database.url) "${2}" -}}
{{- $ports := list -}}
{{- range splitList "," $hosts -}}
{{- $ports = append $ports (regexFind ":[0-9]+$" . | trimPrefix ":" | default "5432") -}}
{{- end -}}
{{- $text := .Values.database.url | empty | ternary (include "shiplock.databaseValue" (dict "context" . "part" "port")) ($parameter | default (join "," (uniq $ports))) -}}
{{- include "shiplock.policyPorts" (dict "given" .Values.networkPolicy.database.ports "text" $text "default" 5432) -}}
{{- end -}}

{{/* A name that is neither a hook's when it is an ordinary object, nor the other way round. */}}
{{- define "shiplock.policyName" -}}
{{- include "shiplock.fullname" . -}}
{{- if eq (include "shiplock.placement" .) "release" -}}-job{{- end -}}-policy
{{- end -}}
