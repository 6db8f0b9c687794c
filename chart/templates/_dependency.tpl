{{/*
For templates that a parent chart includes. Takes the dict of the include: "context" (of the calling chart), "alias" (of this chart in
Chart.yaml, if any) and "helper" (the name of the included template, for messages). If the dependency is enabled, sets "dependency" to the
context that this chart's own templates have.
*/}}
{{- define "shiplock.findDependency" -}}
{{- $alias := .alias | default "shiplock" -}}
{{- if not (and (kindIs "map" .context) (hasKey (.context | default dict) "Subcharts")) -}}
{{- fail (printf "%s: \"context\" is not the context of a chart: include the template with (dict \"context\" $)" .helper) -}}
{{- end -}}
{{- $found := get .context.Subcharts $alias -}}
{{- if $found -}}
{{- include "shiplock.fillValues" $found -}}
{{- if $found.Values.enabled -}}
{{- $path := printf "%s/charts/%s/templates" (trimSuffix "/templates" .context.Template.BasePath) $alias -}}
{{- $_ := set . "dependency" (dict "Template" (dict "BasePath" $path) "Alias" $alias
  "Values" $found.Values "Chart" $found.Chart "Release" .context.Release "Capabilities" .context.Capabilities) -}}
{{- end -}}
{{- else if not (include "shiplock.isDisabled" (dict "values" .context.Values "alias" $alias)) -}}
{{- fail (printf "%s: chart %q has no dependency named %q: pass its name or alias from Chart.yaml as \"alias\"; if a condition disables it, include %s only when that condition is true" .helper .context.Chart.Name $alias .helper) -}}
{{- end -}}
{{- end -}}

{{/* "true" if a missing dependency was disabled by its "enabled" value, the usual condition, or possibly by a tag. */}}
{{- define "shiplock.isDisabled" -}}
{{- $own := get .values .alias -}}
{{- if and (kindIs "map" $own) (or .values.tags (eq (toString (get ($own | default dict) "enabled")) "false")) -}}true{{- end -}}
{{- end -}}

{{/*
The name of the Job, for templates of a parent chart:

  {{ include "shiplock.jobName" (dict "context" .) }}

"alias" is the alias of the dependency in Chart.yaml, if any. With migrations.fromChart and an ordinary Job (mode: job), also pass the
"glob" of shiplock.migrationsConfigMap.
*/}}
{{- define "shiplock.jobName" -}}
{{- $call := merge (dict "helper" "shiplock.jobName") . -}}
{{- include "shiplock.findDependency" $call -}}
{{- if not $call.dependency -}}
{{- fail (printf "shiplock.jobName: no dependency named %q is enabled" (.alias | default "shiplock")) -}}
{{- end -}}
{{- if eq $call.dependency.Values.mode "initContainer" -}}
{{- fail "shiplock.jobName: mode: initContainer has no Job" -}}
{{- end -}}
{{- if and $call.dependency.Values.migrations.fromChart (eq (include "shiplock.placement" $call.dependency) "release") -}}
{{- $_ := set $call.dependency "migrationsHash" (include "shiplock.parentFiles" $call | sha256sum | trunc 8) -}}
{{- end -}}
{{- include "shiplock.jobObjectName" $call.dependency -}}
{{- end -}}
