{{/*
The chart's place in the tree of charts, without the root: "shiplock", the alias it has as a dependency, or
"booking-shiplock" when an umbrella chart holds "booking" which holds this one. Two charts of one umbrella can thus both
depend on this chart and not overwrite each other's Job.
*/}}
{{- define "shiplock.name" -}}
{{- if .Values.nameOverride -}}
{{- .Values.nameOverride -}}
{{- else -}}
{{- $names := list -}}
{{- range $i, $part := splitList "/" (trimSuffix "/templates" .Template.BasePath) -}}
{{- if eq (mod $i 2) 0 -}}
{{- $names = append $names $part -}}
{{- end -}}
{{- end -}}
{{- if gt (len $names) 1 -}}
{{- $names = rest $names -}}
{{- end -}}
{{- join "-" $names -}}
{{- end -}}
{{- end -}}

{{/*
A name made a DNS label of at most .max characters. What had to be changed ends in a hash of the whole, so that two
names never become one.
*/}}
{{- define "shiplock.dnsLabel" -}}
{{- $label := regexReplaceAll "[^a-z0-9-]" (lower .name) "-" -}}
{{- if or (ne $label .name) (gt (len $label) (int .max)) -}}
{{- $label = printf "%s-%s" (trunc (int (sub .max 9)) $label | trimSuffix "-") (sha256sum .name | trunc 8) -}}
{{- end -}}
{{- $label -}}
{{- end -}}

{{/*
The name of the Job and of its Secret: 52 characters, so that "-migrations" (ConfigMap) and a pod's own suffix still fit
into 63. A release that bears this chart's own name is not called "shiplock-shiplock"; as a dependency it is, because
the short form may well be the name of the application's own Secret.
*/}}
{{- define "shiplock.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else -}}
{{- $name := include "shiplock.name" . -}}
{{- $full := printf "%s-%s" .Release.Name $name -}}
{{- if and .Chart.IsRoot (eq .Release.Name $name) -}}
{{- $full = $name -}}
{{- end -}}
{{- include "shiplock.dnsLabel" (dict "name" $full "max" 52) -}}
{{- end -}}
{{- end -}}

{{/* The ConfigMap that the parent chart makes of its own files. */}}
{{- define "shiplock.migrationsConfigMapName" -}}
{{- include "shiplock.fullname" . }}-migrations
{{- end -}}

{{/* What .Template would hold in the dependency .alias of the chart .context: names are computed from it. */}}
{{- define "shiplock.dependencyTemplate" -}}
BasePath: {{ trimSuffix "/templates" .context.Template.BasePath }}/charts/{{ .alias }}/templates
{{- end -}}

{{/*
The Job's name, for the templates of a chart that depends on this one:

  {{ include "shiplock.jobName" (dict "context" .) }}

"alias" names the dependency when Chart.yaml gives it one.
*/}}
{{- define "shiplock.jobName" -}}
{{- $alias := .alias | default "shiplock" -}}
{{- $dependency := get .context.Subcharts $alias | required (printf "shiplock.jobName: no dependency called %q is enabled" $alias) -}}
{{- $template := include "shiplock.dependencyTemplate" (dict "context" .context "alias" $alias) | fromYaml -}}
{{- include "shiplock.fullname" (dict "Template" $template "Values" $dependency.Values "Chart" $dependency.Chart "Release" .context.Release) -}}
{{- end -}}

{{/* Labels of every object. Those of the chart win over .Values.labels: the notes and tests select by them. */}}
{{- define "shiplock.labels" -}}
{{- $own := dict
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/name" (include "shiplock.dnsLabel" (dict "name" (include "shiplock.name" .) "max" 63))
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/component" "migrations"
  "app.kubernetes.io/managed-by" .Release.Service
-}}
{{- toYaml (merge $own .Values.labels) -}}
{{- end -}}

{{/*
Annotations of a hook: dict "context" . "weight" N. before-hook-creation alone: what failed stays to be read until the
next run. The keys are quoted because a flow mapping would read "pre-install,pre-upgrade" as two keys.
*/}}
{{- define "shiplock.hookAnnotations" -}}
{{- range $key, $_ := .context.Values.annotations -}}
{{- if hasPrefix "helm.sh/" $key -}}
{{- fail (printf "annotations may not set %q: the chart's hook annotations decide when the migrations run; remove it" $key) -}}
{{- end -}}
{{- end -}}
{{- $own := dict
  "helm.sh/hook" "pre-install,pre-upgrade"
  "helm.sh/hook-weight" (toString .weight)
  "helm.sh/hook-delete-policy" "before-hook-creation"
-}}
{{- if .logs -}}
{{- $_ := set $own "helm.sh/hook-output-log-policy" "hook-failed" -}}
{{- end -}}
{{- toYaml (merge $own .context.Values.annotations) -}}
{{- end -}}
