{{/*
An image reference of dict "context" . "path" "image" "image" (registry, repository, tag, digest). "defaultTag" stands
in when neither a tag nor a digest is given.
*/}}
{{- define "shiplock.imageReference" -}}
{{- $image := .image -}}
{{- if regexMatch "[@\\s]|:[^/]*$" $image.repository -}}
{{- fail (printf "%s.repository is %q: write the tag into %s.tag and the digest into %s.digest" .path $image.repository .path .path) -}}
{{- end -}}
{{- $tag := toString $image.tag -}}
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
