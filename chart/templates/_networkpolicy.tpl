{{/* An egress rule: dict "to" (peers; none allows any address) "ports" (never empty, which would allow any port) "protocols". */}}
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

{{/* The port of a URL, as text; empty if the URL is empty or has no port. */}}
{{- define "shiplock.urlPort" -}}
{{- regexFind ":[0-9]+$" (regexReplaceAll "^[a-zA-Z0-9+.-]+://([^/?#]*@)?([^/?#]*).*$" (toString .) "${2}") | trimPrefix ":" -}}
{{- end -}}

{{/* Ports as a JSON list: .given, or the comma-separated ports in .text, or .default. */}}
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

{{/* The database ports. A URL contains them next to its hosts or as a parameter, a libpq string only as a parameter. */}}
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

{{/* The name of the NetworkPolicy; hooks and ordinary objects have different names. */}}
{{- define "shiplock.policyName" -}}
{{- include "shiplock.fullname" . -}}
{{- if eq (include "shiplock.placement" .) "release" -}}-job{{- end -}}-policy
{{- end -}}
