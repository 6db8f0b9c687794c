{{/*
Restores, as empty, the values that a user removed with null ("database: {ca: null}"), so that templates need no checks. The schema
requires the values without an empty form, except for those added later, which "helm upgrade --reuse-values" does not contain: mode,
hookOutputLogPolicy, rollback, tool, wait, serviceAccount and the notifications.
*/}}
{{- define "shiplock.fillValues" -}}
{{- include "shiplock.validateVersion" . -}}
{{- $empty := dict
  "image" (dict "registry" "" "tag" "" "digest" "")
  "database" (dict "partOfRelease" false "url" "" "host" "" "sslMode" ""
    "passwordCommand" list "passwordFile" "" "urlFile" "" "role" "" "ca" (dict "secretName" "" "configMapName" "") "secretKeys" dict)
  "migrations" (dict "existingConfigMap" "" "image" (dict "registry" "" "repository" "" "tag" "" "digest" "" "subPath" ""))
  "mode" "hook" "hookOutputLogPolicy" "auto"
  "rollback" (dict "policy" "keep" "when" "post-rollback" "allowDataLoss" false)
  "notify" (dict "success" false
    "webhook" (dict "url" "" "token" "" "urlFile" "" "format" "" "template" "" "existingSecret" (dict "name" "" "keys" (dict "url" "" "token" "")))
    "pushgateway" (dict "url" "" "existingSecret" (dict "name" "" "key" "url")))
  "kubernetesEvents" (dict "enabled" false)
  "prometheusRule" (dict "enabled" false "severity" "critical" "labels" dict "alertLabels" dict "alertAnnotations" dict)
  "networkPolicy" (dict "enabled" false "database" (dict "to" list "ports" list) "dns" (dict "to" list "ports" (list 53))
    "apiServer" (dict "to" list "ports" (list 443 6443)) "webhook" (dict "to" list "ports" list)
    "pushgateway" (dict "to" list "ports" list) "extraEgress" list)
  "wait" (dict "resources" dict)
  "tool" (dict "runAsUser" "" "command" list "args" list "env" list
    "image" (dict "registry" "" "repository" "" "tag" "" "digest" "" "pullPolicy" "IfNotPresent"))
  "resources" dict "podSecurityContext" dict "securityContext" dict
  "imagePullSecrets" list "extraArgs" list "extraEnv" list
  "serviceAccount" (dict "name" "" "automount" false) "commonLabels" dict "commonAnnotations" dict "podLabels" dict "podAnnotations" dict
-}}
{{- $_ := merge .Values $empty -}}
{{- range list .Values.resources .Values.wait.resources .Values.podSecurityContext .Values.securityContext -}}
{{- include "shiplock.removeEmpty" . -}}
{{- end -}}
{{- end -}}

{{/*
Removes the keys whose value is an empty string, null or an empty map from a map that is passed to Kubernetes. A parent chart removes
defaults with empty strings: Helm 4 ignores a null in the parent's values.yaml.
*/}}
{{- define "shiplock.removeEmpty" -}}
{{- $map := . -}}
{{- range $key, $value := $map -}}
{{- if kindIs "map" $value -}}
{{- include "shiplock.removeEmpty" $value -}}
{{- end -}}
{{- if and (empty $value) (has (kindOf $value) (list "invalid" "string" "map")) -}}
{{- $_ := unset $map $key -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
All charts of a release share one set of named templates: if two charts define the same name, Helm keeps one of the two. Each instance of
this chart therefore records its version in .Release, the only map that all charts of a release share, and different versions are refused.
*/}}
{{- define "shiplock.validateVersion" -}}
{{- $key := "shiplockVersions" -}}
{{- $versions := get .Release $key | default dict -}}
{{- $place := (get . "Template" | default dict).BasePath | default "" | trimSuffix "/templates" -}}
{{- if not (get $versions .Chart.Version) -}}
{{- $_ := set $versions .Chart.Version $place -}}
{{- end -}}
{{- $_ := set .Release $key $versions -}}
{{- if gt (len $versions) 1 -}}
{{- $found := list -}}
{{- range $version, $path := $versions -}}
{{- $found = append $found (printf "%s (%s)" $version $path) -}}
{{- end -}}
{{- fail (printf "this release contains different versions of chart shiplock, %s, and Helm renders all of them with the templates of one version: set the same version of the dependency in each Chart.yaml, then run helm dependency update" (join " and " $found)) -}}
{{- end -}}
{{- end -}}
