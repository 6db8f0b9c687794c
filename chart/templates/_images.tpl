{{/*
An image reference of dict "context" . "path" "image" "image" (registry, repository, tag, digest: each may be a template). "defaultTag" stands
in when neither a tag nor a digest is given.
*/}}
{{- define "shiplock.imageReference" -}}
{{- $image := dict "tag" (include "shiplock.imageTag" .) -}}
{{- range $part := list "registry" "repository" "digest" -}}
{{- $_ := set $image $part (include "shiplock.rendered" (dict "context" $.context "path" (printf "%s.%s" $.path $part) "value" (get $.image $part))) -}}
{{- end -}}
{{- if regexMatch "[@\\s]|:[^/]*$" $image.repository -}}
{{- fail (printf "%s.repository is %q: write the tag into %s.tag and the digest into %s.digest" .path $image.repository .path .path) -}}
{{- end -}}
{{- range $part := list "registry" "repository" -}}
{{- if contains "://" (get $image $part) -}}
{{- fail (printf "%s.%s is %q: write it without %s" $.path $part (get $image $part) (regexFind "^.*://" (get $image $part))) -}}
{{- end -}}
{{- end -}}
{{- if and $image.digest (not (regexMatch "^sha256:[a-f0-9]{64}$" $image.digest)) -}}
{{- fail (printf "%s.digest is %q: a digest is sha256: and 64 characters, of 0 to 9 and a to f" .path $image.digest) -}}
{{- end -}}
{{- $tag := $image.tag -}}
{{- if and (not $tag) (not $image.digest) -}}
{{- $tag = .defaultTag -}}
{{- end -}}
{{- if and (not $tag) (not $image.digest) -}}
{{- fail (printf "%s.repository is set but neither %s.tag nor %s.digest: set one of them" .path .path .path) -}}
{{- end -}}
{{- $reference := $image.repository -}}
{{- with $image.registry | default (.context.Values.global | default dict).imageRegistry -}}
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

{{/* The global and the chart's own pull secrets, each given as a name or as {name: ...}. */}}
{{- define "shiplock.imagePullSecrets" -}}
{{- $secrets := list -}}
{{- range concat ((.Values.global | default dict).imagePullSecrets | default list) .Values.imagePullSecrets -}}
{{- $secrets = append $secrets (kindIs "string" . | ternary (dict "name" .) .) -}}
{{- end -}}
{{- with uniq $secrets -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* "true" if image is the migrator's own, from whatever registry: its tag defaults to the chart's, and it holds no migrations. */}}
{{- define "shiplock.isMigratorImage" -}}
{{- $repository := include "shiplock.rendered" (dict "context" . "path" "image.repository" "value" .Values.image.repository) -}}
{{- if hasSuffix "/shiplock/migrator" (printf "/%s" $repository) -}}true{{- end -}}
{{- end -}}
