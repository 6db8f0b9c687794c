{{/*
For templates of a chart that depends on this one. It is given the dict that such a template was called with: "context" (the
calling chart's), "alias" (when Chart.yaml gives this chart one) and "helper" (who asks, for messages). If that
dependency is enabled, it is put in as "dependency": what this chart's own templates have as their dot.
*/}}
{{- define "shiplock.findDependency" -}}
{{- $alias := .alias | default "shiplock" -}}
{{- if not (and (kindIs "map" .context) (hasKey (.context | default dict) "Subcharts")) -}}
{{- fail (printf "%s: \"context\" is not the context of a chart: include it with (dict \"context\" $)" .helper) -}}
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
{{- fail (printf "%s: chart %q has no dependency called %q: pass its name or alias from Chart.yaml as \"alias\"; if a condition of your own disables it, include %s only when that condition holds" .helper .context.Chart.Name $alias .helper) -}}
{{- end -}}
{{- end -}}

{{/* "true" if a dependency that is not there was disabled by its "enabled" value, the usual condition, or may have been by a tag. */}}
{{- define "shiplock.isDisabled" -}}
{{- $own := get .values .alias -}}
{{- if and (kindIs "map" $own) (or .values.tags (eq (toString (get ($own | default dict) "enabled")) "false")) -}}true{{- end -}}
{{- end -}}

{{/*
The Job's name, for the templates of a chart that depends on this one:

  {{ include "shiplock.jobName" (dict "context" .) }}

"alias" names the dependency when Chart.yaml gives it one. With migrations.fromChart, and where the Job is an ordinary
object (mode: job), it also wants the "glob" that shiplock.migrationsConfigMap is given.
*/}}
{{- define "shiplock.jobName" -}}
{{- $call := merge (dict "helper" "shiplock.jobName") . -}}
{{- include "shiplock.findDependency" $call -}}
{{- if not $call.dependency -}}
{{- fail (printf "shiplock.jobName: no dependency called %q is enabled" (.alias | default "shiplock")) -}}
{{- end -}}
{{- if eq $call.dependency.Values.mode "initContainer" -}}
{{- fail "shiplock.jobName: with mode: initContainer there is no Job" -}}
{{- end -}}
{{- if and $call.dependency.Values.migrations.fromChart (eq (include "shiplock.placement" $call.dependency) "release") -}}
{{- $_ := set $call.dependency "migrationsHash" (include "shiplock.parentFiles" $call | sha256sum | trunc 8) -}}
{{- end -}}
{{- include "shiplock.jobObjectName" $call.dependency -}}
{{- end -}}
