{{/*
The image reference of dict "context" . "path" "image" "image" (registry, repository, tag, digest: each may be a template). "defaultTag" is used
if neither a tag nor a digest is set.
*/}}
{{- define "shiplock.imageReference" -}}
{{- $image := dict "tag" (include "shiplock.imageTag" .) -}}
{{- range $part := list "registry" "repository" "digest" -}}
{{- $_ := set $image $part (include "shiplock.rendered" (dict "context" $.context "path" (printf "%s.%s" $.path $part) "value" (get $.image $part))) -}}
{{- end -}}
{{- if regexMatch "[@\\s]|:[^/]*$" $image.repository -}}
{{- include "shiplock.fail" (list $ (printf ".Values.%s.repository is %q: set the tag in .Values.%s.tag and the digest in .Values.%s.digest" .path $image.repository .path .path)) -}}
{{- end -}}
{{- range $part := list "registry" "repository" -}}
{{- if contains "://" (get $image $part) -}}
{{- include "shiplock.fail" (list $ (printf ".Values.%s.%s is %q: remove %s" $.path $part (get $image $part) (regexFind "^.*://" (get $image $part)))) -}}
{{- end -}}
{{- end -}}
{{- if and $image.digest (not (regexMatch "^sha256:[a-f0-9]{64}$" $image.digest)) -}}
{{- include "shiplock.fail" (list $ (printf ".Values.%s.digest is %q: a digest consists of sha256: and 64 hexadecimal digits (0-9, a-f)" .path $image.digest)) -}}
{{- end -}}
{{- $tag := $image.tag -}}
{{- if and (not $tag) (not $image.digest) -}}
{{- $tag = .defaultTag -}}
{{- end -}}
{{- if and (not $tag) (not $image.digest) -}}
{{- include "shiplock.fail" (list $ (printf ".Values.%s.repository is set, but neither .Values.%s.tag nor .Values.%s.digest: set one of them" .path .path .path)) -}}
{{- end -}}
{{- $reference := $image.repository -}}
{{- with $image.registry | default (include "shiplock.globalRegistry" .context) -}}
{{- $reference = printf "%s/%s" (trimSuffix "/" .) $reference -}}
{{- end -}}
{{- if $tag -}}
{{- $reference = printf "%s:%s" $reference $tag -}}
{{- end -}}
{{- with $image.digest -}}
{{- $reference = printf "%s@%s" $reference . -}}
{{- end -}}
{{- $reference -}}
{{- end -}}

{{/* All charts of a release share "global", so its fields may have other types than this chart expects: those are ignored. */}}
{{- define "shiplock.globalRegistry" -}}
{{- if kindIs "map" .Values.global -}}
{{- $registry := get .Values.global "imageRegistry" -}}
{{- if kindIs "string" $registry -}}
{{- $registry -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
The global and the chart's own pull secrets, each a name or {name: ...}. The global value may also be a single name or map, and its maps may
have other keys.
*/}}
{{- define "shiplock.imagePullSecrets" -}}
{{- $secrets := list -}}
{{- if kindIs "map" .Values.global -}}
{{- $global := get .Values.global "imagePullSecrets" -}}
{{- range kindIs "slice" $global | ternary $global (list $global) -}}
{{- $name := kindIs "map" . | ternary (get (kindIs "map" . | ternary . dict) "name") . -}}
{{- if and (kindIs "string" $name) $name -}}
{{- $secrets = append $secrets (dict "name" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range .Values.imagePullSecrets -}}
{{- $secrets = append $secrets (kindIs "string" . | ternary (dict "name" .) .) -}}
{{- end -}}
{{- with uniq $secrets -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* "true" if the image is the migrator's own, from any registry: its tag defaults to the appVersion, and it contains no migrations. */}}
{{- define "shiplock.isMigratorImage" -}}
{{- $repository := include "shiplock.rendered" (dict "context" . "path" "image.repository" "value" .Values.image.repository) -}}
{{- if hasSuffix "/shiplock/migrator" (printf "/%s" $repository) -}}true{{- end -}}
{{- end -}}

{{- define "shiplock.validateImages" -}}
{{- $context := . -}}
{{- $_ := include "shiplock.podContainerImage" . -}}
{{- range $path, $image := dict "migrations.image" .Values.migrations.image "tool.image" .Values.tool.image -}}
{{- if $image.repository -}}
{{- $_ := include "shiplock.imageReference" (dict "context" $context "path" $path "image" $image "defaultTag" "") -}}
{{- end -}}
{{- end -}}
{{- end -}}
