{{/*
Puts back, empty, what a user took out of the values with null ("existingSecret: null"), so that templates need not ask. What
has no empty form is required by the schema instead; but for the values that came later, which "helm upgrade --reuse-values" does
not have: mode, tool and gate.
*/}}
{{- define "shiplock.fillValues" -}}
{{- $empty := dict
  "image" (dict "registry" "" "tag" "" "digest" "")
  "database" (dict "partOfRelease" false "host" "" "sslMode" "" "ca" (dict "secretName" "" "configMapName" "") "existingSecret" (dict "name" "" "keys" dict))
  "migrations" (dict "existingConfigMap" "" "image" (dict "registry" "" "repository" "" "tag" "" "digest" "" "subPath" ""))
  "mode" "hook"
  "gate" (dict "resources" dict)
  "tool" (dict "command" list "args" list "env" list
    "image" (dict "registry" "" "repository" "" "tag" "" "digest" "" "pullPolicy" "IfNotPresent"))
  "imagePullSecrets" list "extraArgs" list "extraEnv" list
  "labels" dict "annotations" dict "podLabels" dict "podAnnotations" dict
-}}
{{- $_ := merge .Values $empty -}}
{{- end -}}
