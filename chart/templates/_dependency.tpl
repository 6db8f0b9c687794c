{{/*
For templates of a chart that depends on this one. It is given the dict that such a template was called with: "context" (the
calling chart's), "alias" (when Chart.yaml gives this chart one) and "helper" (who asks, for messages). If that
dependency is enabled, it is put in as "dependency": what this chart's own templates have as their dot.
*/}}
{{- define "shiplock.findDependency" -}}
{{- $alias := .alias | default "shiplock" -}}
{{- $found := get .context.Subcharts $alias -}}
{{- if $found -}}
{{- include "shiplock.fillValues" $found -}}
{{- if $found.Values.enabled -}}
{{- $path := printf "%s/charts/%s/templates" (trimSuffix "/templates" .context.Template.BasePath) $alias -}}
{{- $_ := set . "dependency" (dict "Template" (dict "BasePath" $path) "Alias" $alias
  "Values" $found.Values "Chart" $found.Chart "Release" .context.Release "Capabilities" .context.Capabilities) -}}
{{- end -}}
{{- else if not (hasKey .context.Values $alias) -}}
{{- fail (printf "%s: chart %q has no dependency called %q: pass its name or alias from Chart.yaml as \"alias\"" .helper .context.Chart.Name $alias) -}}
{{- end -}}
{{- end -}}

{{/*
The Job's name, for the templates of a chart that depends on this one:

  {{ include "shiplock.jobName" (dict "context" .) }}

"alias" names the dependency when Chart.yaml gives it one. With migrations.parentConfigMap, and where the Job is an ordinary
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
{{- if and $call.dependency.Values.migrations.parentConfigMap (eq (include "shiplock.placement" $call.dependency) "release") -}}
{{- $_ := set $call.dependency "migrationsHash" (include "shiplock.parentFiles" $call | sha256sum | trunc 8) -}}
{{- end -}}
{{- include "shiplock.jobObjectName" $call.dependency -}}
{{- end -}}
